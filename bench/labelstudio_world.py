"""Fills Label Studio's own database for bench.labelstudio; run by its interpreter, which knows nothing of this project.

`python labelstudio_world.py TASKS PEOPLE VOTES` prints {"project", "sessions"} as JSON: people who are signed in, and
a project in which each task asks for so many votes and is handed out as Label Studio does by default.
"""

import json
import sys
import time

EXPRESSIONS = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry")


def fill(tasks: int, people: int, votes: int) -> dict[str, object]:
    from organizations.models import Organization  # type: ignore[import-not-found]
    from projects.models import Project  # type: ignore[import-not-found]
    from tasks.models import Task  # type: ignore[import-not-found]
    from users.models import User  # type: ignore[import-not-found]

    users = [
        User.objects.create_user(email=f"person{number}@example.org", password=None)
        for number in range(people)
    ]
    organization = Organization.create_organization(created_by=users[0], title="bench")
    for user in users[1:]:
        organization.add_user(user)
    User.objects.update(active_organization=organization)
    choices = "".join(f'<Choice value="{name}"/>' for name in EXPRESSIONS)
    project = Project.objects.create(
        title="bench",
        created_by=users[0],
        organization=organization,
        maximum_annotations=votes,
        label_config=f'<View><Image name="image" value="$image"/>'
        f'<Choices name="expression" toName="image">{choices}</Choices></View>',
    )
    Task.objects.bulk_create(
        Task(project=project, data={"image": f"/face{number}.png"}, overlap=votes, inner_id=number)
        for number in range(1, tasks + 1)
    )
    return {"project": project.pk, "sessions": [_signed_in(user) for user in User.objects.order_by("pk")]}


def _signed_in(user: object) -> str:
    from django.conf import settings
    from django.test import Client

    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")  # type: ignore[arg-type]
    # What the login page notes too; without it the session counts as forgotten.
    session = client.session
    session["last_login"] = time.time()
    session.save()
    return str(session.session_key or client.cookies[settings.SESSION_COOKIE_NAME].value)


if __name__ == "__main__":
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    print(json.dumps(fill(*map(int, sys.argv[1:]))))

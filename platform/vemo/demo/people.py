"""The demo's accounts: four for people, ten that are programs."""

from vemo.accounts.models import User

PASSWORD = "vemo-demo"
ROLES = {
    "annotator": {"is_annotator": True},
    "manager": {"is_manager": True, "is_staff": True},
    "trainer": {"is_trainer": True, "is_staff": True},
    "admin": {"is_staff": True, "is_superuser": True},
}
PROGRAMS = 10


def accounts() -> dict[str, User]:
    """The four people, made if they are not there; who exists keeps their password."""
    people = {}
    for name, roles in ROLES.items():
        person, made = User.objects.get_or_create(username=name, defaults=roles)
        if made:
            person.set_password(PASSWORD)
            person.save()
        people[name] = person
    return people


def programs() -> list[User]:
    """Ten annotators nobody can sign in as."""
    found = []
    for number in range(1, PROGRAMS + 1):
        program, made = User.objects.get_or_create(
            username=f"simulated-{number}", defaults={"is_annotator": True}
        )
        if made:
            program.set_unusable_password()
            program.save()
        found.append(program)
    return found

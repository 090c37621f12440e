"""The people a command lets vote."""

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError

from labeling.models import Campaign

SIMULATED = "simulated-{}"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("campaign", type=int, help="The campaign's number.")
    parser.add_argument(
        "--annotators",
        default="10",
        metavar="N | NAME,NAME",
        help="How many programs (simulated-1 and on, made if missing), or the names of accounts. 10 if left out.",
    )


def campaign_of(number: int) -> Campaign:
    campaign = Campaign.objects.filter(pk=number).first()
    if campaign is None:
        raise CommandError(f"There is no campaign {number}.")
    return campaign


def annotators_of(text: str) -> list[Any]:
    """The accounts; programs get one without a password, so that nobody signs in as one."""
    users = get_user_model().objects
    if text.isdecimal():
        names = [SIMULATED.format(number) for number in range(1, int(text) + 1)]
        return [_program(name) for name in names]
    names = [name.strip() for name in text.split(",") if name.strip()]
    found = {user.get_username(): user for user in users.filter(username__in=names)}
    if missing := [name for name in names if name not in found]:
        raise CommandError(f"There is no account {', '.join(missing)}.")
    return [found[name] for name in names]


def _program(name: str) -> Any:
    users = get_user_model()
    user = users.objects.filter(username=name).first()
    if user is None:
        user = users(username=name, is_annotator=True)
        user.set_unusable_password()
        user.save()
    return user

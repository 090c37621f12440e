"""A person's API token: one at a time."""

from django.db import transaction
from rest_framework.authtoken.models import Token

from vemo.accounts.models import User


def renew(*, user: User) -> Token:
    """A new token; an older one stops working at once."""
    with transaction.atomic():
        Token.objects.filter(user=user).delete()
        return Token.objects.create(user=user)

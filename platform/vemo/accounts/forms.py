"""Forms that ask for a name and a password."""

from datetime import timedelta
from typing import Any

from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError

from vemo.accounts import guessing


class SignInForm(AuthenticationForm):
    """Says when to try again, where too many passwords were wrong."""

    left: timedelta | None = None
    """How long passwords are not looked at."""

    def get_invalid_login_error(self) -> ValidationError:
        request: Any = self.request
        self.left = guessing.wait(request, self.cleaned_data["username"])
        if self.left is None:
            return super().get_invalid_login_error()
        return ValidationError(guessing.told(self.left), code="held_up")


class AdminSignInForm(SignInForm, AdminAuthenticationForm):
    pass

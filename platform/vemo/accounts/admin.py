from django.contrib import admin
from django.contrib.auth.admin import UserAdmin

from vemo.accounts.forms import AdminSignInForm
from vemo.accounts.models import User

ROLES = ("is_annotator", "is_manager", "is_trainer")
admin.site.login_form = AdminSignInForm


@admin.register(User)
class PersonAdmin(UserAdmin):  # type: ignore[type-arg]
    """People and their roles. Dataset managers and ML staff also need `staff` to enter the admin."""

    list_display = ("username", "email", *ROLES, "is_staff", "is_superuser", "last_login")
    list_filter = (*ROLES, "is_staff", "is_superuser", "is_active")
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Roles", {"fields": (*ROLES, "is_staff", "is_superuser", "is_active")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (None, {"classes": ("wide",), "fields": ("username", "password1", "password2", *ROLES)}),
    )

"""Home, account, and whether the site is well."""

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe
from rest_framework.authtoken.models import Token

from labeling.rules import may_manage
from labeling.web.doors import door
from vemo import doctor
from vemo.accounts import guessing, tokens
from vemo.accounts import language as languages
from vemo.accounts.forms import SignInForm
from vemo.accounts.models import User
from vemo.pages.home import home_of


class SignInView(LoginView):
    template_name = "vemo/signin.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        answer = super().form_invalid(form)
        if isinstance(form, SignInForm) and form.left is not None:
            answer.status_code = 429
            answer.headers["Retry-After"] = guessing.seconds(form.left)
        return answer


@login_required
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    return render(request, "vemo/home.html", {"home": home_of(request.user)})


@require_safe
def health(request: HttpRequest) -> HttpResponse:
    """For load balancers: 200 while database, storage and broker answer, else 503. Says which, never why."""
    well = {finding.name: finding.ok is not False for finding in doctor.examine(doctor.VITAL)}
    return JsonResponse({"ok": all(well.values()), **well}, status=200 if all(well.values()) else 503)


@door(may_manage)
@require_safe
def doctors_page(request: HttpRequest) -> HttpResponse:
    return render(request, "vemo/doctor.html", {"findings": doctor.examine()})


@require_POST
def language(request: HttpRequest) -> HttpResponseBase:
    """Choose a language: for the signed-in it stays in the profile, for strangers in the browser."""
    back = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure()):
        back = reverse("home")
    answer = HttpResponseRedirect(back)
    chosen = request.POST.get("language", "")
    try:
        languages.demand(chosen)
        if isinstance(request.user, User):
            languages.choose(user=request.user, language=chosen)
    except languages.NoSuchLanguage as refusal:
        messages.error(request, str(refusal))
    else:
        languages.remember(answer, chosen)
    return answer


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # behind login_required there is nobody else
    return request.user


@login_required
def account(request: HttpRequest) -> HttpResponseBase:
    """One's own password and API token."""
    user = _person(request)
    form = PasswordChangeForm(user, request.POST or None)
    # It is one card of several: a page that begins at its field hides the others on a phone.
    form.fields["old_password"].widget.attrs.pop("autofocus", None)
    if form.is_valid():
        form.save()
        update_session_auth_hash(request, form.user)
        messages.success(request, _("Your password is changed."))
        return redirect("account")
    token = Token.objects.filter(user=user).first()
    status = 400 if form.errors else 200
    return render(request, "vemo/account.html", {"form": form, "token": token}, status=status)


@login_required
@require_POST
def token_renew(request: HttpRequest) -> HttpResponseBase:
    tokens.renew(user=_person(request))
    messages.success(request, _("You have a new API token. An older one no longer works."))
    return redirect("account")

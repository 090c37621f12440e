"""Addresses of the site's own pages."""

from django.contrib.auth import views as auth
from django.urls import path

from vemo.pages import views

urlpatterns = [
    path("", views.home, name="home"),
    path("signin/", views.SignInView.as_view(), name="signin"),
    path("signout/", auth.LogoutView.as_view(), name="signout"),
    path("health/", views.health, name="health"),
    path("doctor/", views.doctors_page, name="doctor"),
    path("language/", views.language, name="language"),
    path("account/", views.account, name="account"),
    path("account/token/", views.token_renew, name="token_renew"),
]

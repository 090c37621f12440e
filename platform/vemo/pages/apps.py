from django.apps import AppConfig


class PagesConfig(AppConfig):
    name = "vemo.pages"
    label = "pages"

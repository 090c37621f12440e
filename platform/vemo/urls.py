"""Every address of the site, by room."""

from django.contrib import admin
from django.urls import include, path

handler400 = "vemo.pages.errors.bad_request"
handler404 = "vemo.pages.errors.not_found"
handler500 = "vemo.pages.errors.server_error"

urlpatterns = [
    path("", include("vemo.pages.urls")),
    path("", include("labeling.web.urls")),
    path("", include("training.web.urls")),
    path("api/v1/", include("labeling.api.urls")),
    path("api/v1/", include("training.api.urls")),
    path("api/", include("vemo.pages.api_urls")),
    path("admin/", admin.site.urls),
]

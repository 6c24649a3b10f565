"""The addresses of the server."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import path

from .api import api
from .sounds import router as sounds

api.add_router("", sounds)


def healthz(_: HttpRequest) -> HttpResponse:
    """Tell that the process answers."""
    return HttpResponse("ok\n", content_type="text/plain")


urlpatterns = [
    path("api/v1/", api.urls),
    path("healthz", healthz),
]

"""The ASGI application: the guard, then Django."""

from __future__ import annotations

import io
import re

import django

django.setup()

from asgiref.sync import sync_to_async  # noqa: E402
from django.contrib.auth import get_user  # noqa: E402
from django.contrib.sessions.backends.db import SessionStore  # noqa: E402
from django.core.handlers.asgi import ASGIHandler, ASGIRequest  # noqa: E402

from .access import user_of_token  # noqa: E402
from .api import CHUNK  # noqa: E402
from .guard import SMALL, Guard, Scope  # noqa: E402
from .settings import CONFIG, SESSION_COOKIE_NAME  # noqa: E402

FORM_SONGS = 4  # of the largest size, in one form
BODY = re.compile(r"/api/v1/songs/[0-9a-f-]{36}/body$")


def largest_body(method: str, path: str) -> int:
    """Return how many bytes the body of a request may have."""
    if method == "PUT" and BODY.match(path):
        return CHUNK
    # a form with songs, from a browser without JavaScript
    return FORM_SONGS * CONFIG.largest_song if (method, path) == ("POST", "/") else SMALL


def is_known(scope: Scope) -> bool:
    """Return whether a request has a valid token or session."""
    request = ASGIRequest(scope, io.BytesIO())
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return user_of_token(token.strip()) is not None
    request.session = SessionStore(request.COOKIES.get(SESSION_COOKIE_NAME))
    return get_user(request).is_authenticated


application = Guard(ASGIHandler(), largest_body, sync_to_async(is_known))

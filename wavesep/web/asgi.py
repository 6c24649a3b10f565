"""The ASGI application: the guard, then live sound or Django."""

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
from .live import Live  # noqa: E402
from .settings import CONFIG, SESSION_COOKIE_NAME  # noqa: E402

FORM_SONGS = 4  # of the largest size, in one form
BODY = re.compile(r"/api/v1/songs/[0-9a-f-]{36}/body$")


def largest_body(method: str, path: str) -> int:
    """Return how many bytes the body of a request may have."""
    if method == "PUT" and BODY.match(path):
        return CHUNK
    # a form with songs, from a browser without JavaScript
    return FORM_SONGS * CONFIG.largest_song if (method, path) == ("POST", "/") else SMALL


def number_of_user(scope: Scope) -> int | None:
    """Return the number of the user whose token or session a request has, or None."""
    request = ASGIRequest({"method": "GET"} | scope, io.BytesIO())  # a WebSocket has no method
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() == "bearer":
        user = user_of_token(token.strip())
        return user.pk if user else None
    request.session = SessionStore(request.COOKIES.get(SESSION_COOKIE_NAME))
    return get_user(request).pk


user_of = sync_to_async(number_of_user)
application = Guard(Live(CONFIG, ASGIHandler(), user_of), largest_body, user_of)

"""Who calls: a session of a browser, or the token of a program."""

from __future__ import annotations

import hashlib
import secrets

from django.contrib.auth.models import User
from django.utils import timezone

from .models import Token


def new_token(user: User, name: str) -> str:
    """Make a token for a user; it is returned here and cannot be read again."""
    token = secrets.token_urlsafe(32)
    Token.objects.create(user=user, name=name, hash=hash_of(token))
    return token


def user_of_token(token: str) -> User | None:
    """Return the user of a token, or None."""
    found = Token.objects.filter(hash=hash_of(token)).select_related("user").first()
    if found is None or not found.user.is_active:
        return None
    Token.objects.filter(pk=found.pk).update(last_used=timezone.now())
    return found.user


def hash_of(token: str) -> str:
    """Return what is stored of a token. It is random and long, so a fast hash is safe."""
    return hashlib.sha256(token.encode()).hexdigest()

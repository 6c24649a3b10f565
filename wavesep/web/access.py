"""Who calls: a session of a browser, or the token of a program; and how people get in."""

from __future__ import annotations

import getpass
import hashlib
import secrets
from datetime import timedelta
from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest
from django.utils import timezone

from ..errors import OptionError
from .models import FailedLogin, Invitation, Token
from .problems import unauthorised

MOST_FAILURES = 10  # wrong passwords for a name from an address
LOCKED = timedelta(minutes=15)
USE_IS_STORED = timedelta(minutes=1)  # at most so often, because a write waits for the disk
LINK_LASTS = timedelta(days=7)


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
    now = timezone.now()
    if found.last_used is None or found.last_used < now - USE_IS_STORED:
        Token.objects.filter(pk=found.pk).update(last_used=now)
    return found.user


def user_of(request: HttpRequest) -> User:
    """Return the user who calls.

    Raises
    ------
    Problem
        If nobody is logged in.
    """
    if not isinstance(request.user, User):
        raise unauthorised()
    return request.user


def new_invitation(user: User | None) -> str:
    """Return the key of a link that logs a user in, or lets a new user make an account, once."""
    key = secrets.token_urlsafe(32)
    Invitation.objects.create(user=user, hash=hash_of(key), expires=timezone.now() + LINK_LASTS)
    return key


def invitation_of(key: str) -> Invitation | None:
    """Return the valid invitation of a key, or None."""
    return Invitation.objects.filter(hash=hash_of(key), expires__gt=timezone.now()).first()


def use(invitation: Invitation) -> bool:
    """Use up an invitation; return false if somebody else was faster."""
    return Invitation.objects.filter(pk=invitation.pk).delete()[0] > 0


def hash_of(token: str) -> str:
    """Return what is stored of a token. It is random and long, so a fast hash is safe."""
    return hashlib.sha256(token.encode()).hexdigest()


def make_admin(name: str, password: str) -> None:
    """Make an administrator, or give one a new password.

    Raises
    ------
    OptionError
        If Django finds the password too weak.
    """
    user = User.objects.filter(username=name).first() or User(username=name)
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise OptionError(f"the password is too weak: {' '.join(error.messages)}") from None
    user.is_staff = user.is_superuser = user.is_active = True
    user.set_password(password)
    user.save()


def has_admin() -> bool:
    """Return whether there is an administrator with a password."""
    admins = User.objects.filter(is_superuser=True, is_active=True)
    return any(admin.has_usable_password() for admin in admins)


def local_user() -> User:
    """Return the user to whom a server that only this machine can reach belongs."""
    admin = User.objects.filter(is_superuser=True, is_active=True).order_by("pk").first()
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in some containers
        name = "me"
    return admin or User.objects.create_superuser(name)


class LockingBackend(ModelBackend):
    """Checks passwords; after ten wrong ones for a name from an address, none for 15 minutes."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **others: Any,
    ) -> User | None:
        """Return the user with this name and password, or None.

        Raises
        ------
        PermissionDenied
            If the name is locked for the address of the request.
        """
        name, address = (username or "")[:150], address_of(request)
        begin = timezone.now() - LOCKED
        failures = FailedLogin.objects.filter(name=name, address=address, at__gt=begin)
        if failures.count() >= MOST_FAILURES:
            raise PermissionDenied
        user = super().authenticate(request, username, password, **others)
        if user is None:
            FailedLogin.objects.filter(at__lte=begin).delete()
            FailedLogin.objects.create(name=name, address=address)
        return user


def address_of(request: HttpRequest | None) -> str:
    """Return the address of the client, or an empty text."""
    return str(request.META.get("REMOTE_ADDR", "")) if request else ""

"""The pages of accounts: how people get in, and what belongs to them."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.admin.models import ADDITION, LogEntry
from django.contrib.auth import login, update_session_auth_hash
from django.contrib.auth.decorators import login_required, user_passes_test
from django.contrib.auth.forms import PasswordChangeForm, SetPasswordForm, UserCreationForm
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from . import access, allowances, songs
from .access import user_of
from .models import Invitation, Song, Token
from .operations import is_staff

BACKEND = "wavesep.web.access.LockingBackend"
GONE = "This link was used already, or it is too old. Ask for a new one."


@require_http_methods(["GET", "POST"])
def enter(request: HttpRequest) -> HttpResponse:
    """Let somebody in who has a link: as the link's user, or with a new account."""
    key = request.GET.get("key", "")
    invitation = access.invitation_of(key)
    if invitation is None:
        if request.user.is_authenticated:
            return redirect("home")
        return render(request, "wavesep/message.html", {"title": GONE}, status=410)
    if invitation.user:
        if access.use(invitation):
            login(request, invitation.user, BACKEND)
        return redirect("home")
    form: UserCreationForm[User] = UserCreationForm(request.POST or None)
    if form.is_valid():
        with transaction.atomic():
            if not access.use(invitation):
                return render(request, "wavesep/message.html", {"title": GONE}, status=410)
            user = form.save()
        login(request, user, BACKEND)
        return redirect("home")
    return render(request, "wavesep/join.html", {"form": form})


@login_required
def account(request: HttpRequest) -> HttpResponse:
    """Show the usage, the tokens and the settings of the user."""
    return account_page(request)


def account_page(request: HttpRequest, **context: object) -> HttpResponse:
    """Return the page of an account."""
    user = user_of(request)
    usage = {
        "tokens": user.tokens.order_by("created"), "limits": allowances.limits_of(user),
        "bytes": allowances.bytes_of(user), "seconds": allowances.seconds_today(user),
        "form": password_form(user)(user),
    }  # fmt: skip
    return render(request, "wavesep/account.html", usage | context)


@login_required
@require_POST
def add_token(request: HttpRequest) -> HttpResponse:
    """Make a token, and show it once."""
    name = request.POST.get("name", "").strip()[:100] or "token"
    return account_page(request, new_token=access.new_token(user_of(request), name))


@login_required
@require_POST
def delete_token(request: HttpRequest, token: int) -> HttpResponse:
    """Delete a token of the user."""
    Token.objects.filter(user=user_of(request), pk=token).delete()
    return redirect("account")


@login_required
@require_POST
def delete_all(request: HttpRequest) -> HttpResponse:
    """Delete all songs of the user."""
    for song in Song.objects.filter(owner=user_of(request)):
        songs.delete_song(song)
    messages.success(request, "All your songs are deleted.")
    return redirect("account")


def password_form(user: User) -> type[SetPasswordForm[User]]:
    """Return the form that changes the password of a user, or gives one."""
    return PasswordChangeForm if user.has_usable_password() else SetPasswordForm


@login_required
@require_POST
def set_password(request: HttpRequest) -> HttpResponse:
    """Give the user a password, or a new one; other sessions of the user end."""
    user = user_of(request)
    form = password_form(user)(user, request.POST)
    if not form.is_valid():
        return account_page(request, form=form)
    form.save()
    update_session_auth_hash(request, user)
    messages.success(request, "The password is set.")
    return redirect("account")


@user_passes_test(is_staff)
@require_POST
def invite(request: HttpRequest) -> HttpResponse:
    """Make a link with which somebody makes an account, and show it once."""
    link = request.build_absolute_uri(f"/enter?key={access.new_invitation(None)}")
    made = Invitation.objects.order_by("-pk")[:1]
    LogEntry.objects.log_actions(user_of(request).pk, made, ADDITION, "a link", single_object=True)
    return account_page(request, invitation=link)

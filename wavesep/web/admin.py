"""Django's pages for administrators: users with their allowances, songs and jobs.

Every change that is made there is recorded, see `django.contrib.admin.models.LogEntry`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.http import HttpRequest

from . import jobs, songs
from .models import Allowance, Job, Song, Token

admin.site.site_header = admin.site.site_title = "wavesep"
admin.site.site_url = "/server"
admin.site.unregister(Group)
admin.site.unregister(User)


class AllowanceInline(admin.StackedInline):  # type: ignore[type-arg]
    """The limits of a user, on the user's page."""

    model = Allowance
    can_delete = True


@admin.register(User)
class Users(UserAdmin):  # type: ignore[type-arg]
    """Users with their limits."""

    inlines = (AllowanceInline,)


class Made(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows that the server makes: they can be looked at and deleted, with their files."""

    delete_row: Callable[[Any], object]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return false: users make them."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Return false: only the server changes them."""
        return False

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete a row with its files."""
        type(self).delete_row(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Delete rows with their files."""
        for row in queryset:
            type(self).delete_row(row)


@admin.register(Song)
class Songs(Made):
    """The songs of all users."""

    list_display = ("title", "owner", "state", "seconds", "bytes", "created", "expires")
    list_filter = ("state",)
    search_fields = ("title", "owner__username")
    delete_row = staticmethod(songs.delete_song)


@admin.register(Job)
class Jobs(Made):
    """The jobs of all users."""

    list_display = ("song", "owner", "model", "state", "error", "attempt", "worker", "created")
    list_filter = ("state", "model", "error_code")
    search_fields = ("song__title", "owner__username")
    list_select_related = ("song", "owner")
    actions = ("cancel", "retry")
    delete_row = staticmethod(songs.delete_job)

    @admin.action(description="Cancel", permissions=["delete"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        """Cancel jobs that wait or run."""
        for job in queryset:
            jobs.cancel(job)
            self.log_change(request, job, "cancelled")
        messages.success(request, "Jobs that waited or ran are cancelled.")

    @admin.action(description="Queue again", permissions=["delete"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        """Queue failed and cancelled jobs again."""
        for job in queryset:
            if jobs.retry(job):
                self.log_change(request, job, "queued again")
        messages.success(request, "Failed and cancelled jobs are queued again.")


@admin.register(Token)
class Tokens(Made):
    """The tokens of all users."""

    list_display = ("name", "user", "created", "last_used")
    delete_row = staticmethod(Token.delete)

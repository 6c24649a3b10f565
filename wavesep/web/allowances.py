"""What a user may still do: the limits of the server, or the user's own."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import timedelta

from django.contrib.auth.models import User
from django.db.models import Sum
from django.utils import timezone

from . import jobs
from .models import OPEN, Allowance, Job, LiveUse, Song
from .problems import Problem
from .settings import CONFIG


@dataclass(frozen=True)
class Limits:
    """The limits of a user; see `wavesep.web.config.Config`. 0 is no limit."""

    seconds_a_day: float
    most_bytes: int
    most_waiting: int
    days_kept: float


def limits_of(user: User) -> Limits:
    """Return the limits of a user."""
    own = Allowance.objects.filter(user=user).first()

    def limit(name: str) -> float:
        value = getattr(own, name, None)
        return getattr(CONFIG, name) if value is None else value

    return Limits(
        limit("seconds_a_day"), int(limit("most_bytes")), int(limit("most_waiting")),
        limit("days_kept"),
    )  # fmt: skip


def bytes_of(user: User) -> int:
    """Return the size of a user's songs."""
    total = Song.objects.filter(owner=user).exclude(state=Song.State.BAD).aggregate(Sum("bytes"))
    return total["bytes__sum"] or 0


def seconds_today(user: User) -> float:
    """Return the seconds of audio that a user had separated today, or that wait for it."""
    begun = jobs.since_midnight().filter(owner=user)
    waiting = Job.objects.filter(owner=user, state=Job.State.QUEUED)
    live = LiveUse.objects.filter(user=user, began__gte=jobs.midnight())
    sums = (
        begun.aggregate(sum=Sum("song__seconds")), waiting.aggregate(sum=Sum("song__seconds")),
        live.aggregate(sum=Sum("seconds")),
    )  # fmt: skip
    return sum(each["sum"] or 0.0 for each in sums)


def check_upload(user: User, size: int) -> None:
    """Refuse a song for which there is no room.

    Raises
    ------
    Problem
        If the user has no room left, or the disk.
    """
    most = limits_of(user).most_bytes
    if most and bytes_of(user) + size > most:
        raise Problem(413, "quota", f"your songs may have {most:,} bytes: delete some first")
    check_disk(size)


def check_disk(size: int) -> None:
    """Refuse what would leave too little free space on the disk.

    Raises
    ------
    Problem
        If there is too little space.
    """
    if shutil.disk_usage(CONFIG.folder).free < CONFIG.least_free + size:
        raise Problem(507, "disk_full", "the disk of the server is nearly full: try again later")


def check_job(user: User, song: Song) -> None:
    """Refuse a job that is too much for today or for the queue.

    Raises
    ------
    Problem
        If the user has too many jobs that wait, or had too much separated today, or the disk is
        full.
    """
    limits = limits_of(user)
    # two stems and their previews, all as large as the song with 16 bits
    check_disk(round(4 * 2 * song.channels * song.seconds * song.sample_rate))
    waiting = Job.objects.filter(owner=user, state__in=OPEN)
    if waiting.count() >= limits.most_waiting:
        raise Problem(
            429, "busy", f"{limits.most_waiting} of your jobs wait; try again later",
            {"Retry-After": "60"},
        )  # fmt: skip
    check_today(user, limits, song.seconds, "this song is too much for today")


def check_today(user: User, limits: Limits, seconds: float, message: str) -> None:
    """Refuse audio that is too much for today.

    Raises
    ------
    Problem
        If the user had too much separated today.
    """
    most = limits.seconds_a_day
    if most and seconds_today(user) + seconds > most:
        wait = round((jobs.midnight() + timedelta(days=1) - timezone.now()).total_seconds())
        raise Problem(
            429, "quota", f"{most:,.0f} s of audio a day are allowed: {message}",
            {"Retry-After": str(wait)},
        )  # fmt: skip


def begin_live(number: int) -> LiveUse:
    """Begin to count the live sound of the user with a number.

    Raises
    ------
    Problem
        If the user had too much separated today.
    """
    user = check_live(number)
    return LiveUse.objects.create(user=user)


def check_live(number: int) -> User:
    """Return the user with a number, who may have more sound separated live.

    Raises
    ------
    Problem
        If the user had too much separated today.
    """
    user = User.objects.get(pk=number)
    check_today(user, limits_of(user), 0.0, "no more live sound today")
    return user

"""The life of a job: the only code that changes its state.

::

    queued ── claim ──> running ── finish ──> done
      ^  ^                │  │ └── fail ────> failed ── retry ──> queued
      │  └── hand_back ───┘  └── cancelled by its owner ──> cancelled
      └── sweep, when the lease has lapsed; after three attempts: failed

The row is the queue. A worker that claims a job gets a lease of `LEASE` and renews it while it
works. If the worker dies, the lease lapses and the job is queued again. Every change names the
worker and the attempt that it expects, so a worker that was frozen and wakes up cannot change the
job of its successor: its change finds no row.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from django.db import connection, transaction
from django.db.models import F, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from .models import Job, Stem

LEASE = timedelta(seconds=10)
MOST_ATTEMPTS = 3
State = Job.State


class Order(Enum):
    """What a worker is told when it renews its lease."""

    GO_ON = "go on"
    CANCEL = "the owner has cancelled the job"
    LOST = "the job belongs to another worker now"


def claim(worker: str) -> Job | None:
    """Give a worker the next job, or None.

    Jobs with a higher priority come first, then those of the owner for whom the fewest seconds of
    audio were separated today, then the oldest.
    """
    with transaction.atomic():
        waiting = Job.objects.filter(state=State.QUEUED).annotate(used=used_today())
        if connection.features.has_select_for_update_skip_locked:
            waiting = waiting.select_for_update(skip_locked=True, of=("self",))
        job = waiting.order_by("-priority", "used", "created", "id").first()
        if job is None:
            return None
        now = timezone.now()
        job.state, job.worker, job.attempt = State.RUNNING, worker, job.attempt + 1
        job.started, job.lease_until = now, now + LEASE
        job.done, job.version = 0, job.version + 1
        job.save()
        return job


def used_today() -> Coalesce:
    """Return the seconds of audio separated for the owner of a job since midnight (UTC)."""
    used = (
        since_midnight()
        .filter(owner=OuterRef("owner"))
        .order_by()
        .values("owner")
        .annotate(seconds=Sum("song__seconds"))
        .values("seconds")
    )
    return Coalesce(Subquery(used), 0.0)


def midnight() -> datetime:
    """Return the last midnight (UTC)."""
    return timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)


def since_midnight() -> QuerySet[Job]:
    """Return the jobs that workers began since midnight."""
    return Job.objects.filter(started__gte=midnight()).exclude(state=State.QUEUED)


def renew(job: Job, done: int, total: int) -> Order:
    """Extend a worker's lease, and store how many samples are done."""
    if not change(mine(job), lease_until=timezone.now() + LEASE, done=done, total=total):
        return Order.LOST
    cancelled = Job.objects.filter(pk=job.pk, cancel=True).exists()
    return Order.CANCEL if cancelled else Order.GO_ON


def finish(job: Job, stems: Iterable[Stem], *, done: int, gain_db: float) -> bool:
    """Publish the stems of a job; return false if the job belongs to another worker now."""
    with transaction.atomic():
        ended = change(
            mine(job), state=State.DONE, finished=timezone.now(), lease_until=None,
            done=done, total=done, gain_db=gain_db,
        )  # fmt: skip
        if ended:
            Stem.objects.bulk_create(stems)
    return ended


def fail(job: Job, code: str, message: str) -> bool:
    """End a job that cannot succeed; return false if it belongs to another worker now."""
    return change(
        mine(job), state=State.FAILED, error_code=code, error=message[:500],
        finished=timezone.now(), lease_until=None,
    )  # fmt: skip


def end_cancelled(job: Job) -> bool:
    """End a running job that its owner has cancelled; return false if it is another worker's."""
    return change(mine(job), state=State.CANCELLED, finished=timezone.now(), lease_until=None)


def hand_back(job: Job) -> bool:
    """Queue a job again because its worker stops; this does not count as an attempt.

    If its owner has cancelled it, it ends. Return false if it belongs to another worker now.
    """
    handed_back = change(
        mine(job).filter(cancel=False),
        state=State.QUEUED, attempt=F("attempt") - 1, worker="", lease_until=None, done=0,
    )  # fmt: skip
    return handed_back or end_cancelled(job)


def cancel(job: Job) -> None:
    """Cancel a job for its owner: at once if it waits, else as soon as its worker renews."""
    waiting = Job.objects.filter(pk=job.pk, state=State.QUEUED)
    if not change(waiting, state=State.CANCELLED, cancel=True, finished=timezone.now()):
        change(Job.objects.filter(pk=job.pk, state=State.RUNNING), cancel=True)


def retry(job: Job) -> bool:
    """Queue a failed or cancelled job again; return false if it is in another state."""
    ended = Job.objects.filter(pk=job.pk, state__in=(State.FAILED, State.CANCELLED))
    return change(
        ended, state=State.QUEUED, attempt=0, worker="", error="", error_code="", cancel=False,
        done=0, started=None, finished=None,
    )  # fmt: skip


def sweep(now: datetime | None = None) -> int:
    """Take the jobs away from workers whose lease has lapsed; return how many these are.

    Parameters
    ----------
    now : datetime, optional
        Default: the current time.
    """
    now = now or timezone.now()
    lapsed = Job.objects.filter(state=State.RUNNING, lease_until__lt=now)
    cancelled = lapsed.filter(cancel=True)
    hopeless = lapsed.filter(cancel=False, attempt__gte=MOST_ATTEMPTS)
    others = lapsed.filter(cancel=False, attempt__lt=MOST_ATTEMPTS)
    count = changed(cancelled, state=State.CANCELLED, finished=now, lease_until=None)
    count += changed(
        hopeless, state=State.FAILED, finished=now, lease_until=None, error_code="crashed",
        error=f"the worker died {MOST_ATTEMPTS} times on this song",
    )  # fmt: skip
    return count + changed(others, state=State.QUEUED, worker="", lease_until=None, done=0)


def mine(job: Job) -> QuerySet[Job]:
    """Return the row of a job while it belongs to the worker and the attempt that claimed it."""
    return Job.objects.filter(
        pk=job.pk, state=State.RUNNING, worker=job.worker, attempt=job.attempt
    )


def change(row: QuerySet[Job], **values: Any) -> bool:
    """Change a job if it is still in the expected state; return whether it was."""
    return changed(row, **values) > 0


def changed(rows: QuerySet[Job], **values: Any) -> int:
    """Change the jobs that are still in the expected state; return how many these are."""
    return rows.update(version=F("version") + 1, updated=timezone.now(), **values)

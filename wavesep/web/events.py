"""Changes of jobs, sent to pages and programs as they happen (server-sent events).

One task of the process reads the rows that have changed, for all who listen; so the database does
the same work for one page and for two hundred.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from datetime import timedelta
from typing import Any

from django.db import DatabaseError, connection
from django.db.models import Q
from django.utils import timezone

from .models import OPEN, Job

log = logging.getLogger(__name__)

PAUSE = 0.5  # seconds between two looks at the database
HEARTBEAT = 15.0  # seconds of silence after which a comment is sent, so that nobody hangs up
RECENT = timedelta(seconds=60)  # covers the clocks of workers that differ
MOST_STREAMS = 6  # of a user; browsers open no more connections to a host
BACKLOG = 100  # events that wait for a slow listener, at most

Events = asyncio.Queue[str | None]


class Hub:
    """Sends the changes of jobs to those who listen."""

    def __init__(self) -> None:
        self._listeners: defaultdict[int, set[Events]] = defaultdict(set)
        self._versions: dict[Any, int] = {}
        self._task: asyncio.Task[None] | None = None

    def is_full(self, user: int) -> bool:
        """Return whether a user has as many streams as are allowed."""
        return len(self._listeners.get(user, ())) >= MOST_STREAMS

    async def listen(self, user: int) -> AsyncIterator[str]:
        """Yield the open jobs of a user, then each change of a job."""
        events: Events = asyncio.Queue(BACKLOG)
        self._listeners[user].add(events)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._watch())
        try:
            yield "retry: 2000\n\n"
            for job in await read([user]):
                yield event_of(job)
            while True:
                try:
                    event = await asyncio.wait_for(events.get(), HEARTBEAT)
                except TimeoutError:
                    event = ":\n\n"
                if event is None:
                    return
                yield event
        finally:
            self._listeners[user].discard(events)
            if not self._listeners[user]:
                del self._listeners[user]

    async def _watch(self) -> None:
        """Read the changed jobs while anybody listens."""
        while self._listeners:
            try:
                jobs = await read(list(self._listeners))
            except DatabaseError:
                log.exception("the database cannot be read")
                jobs = []
            for job in jobs:
                if self._versions.get(job["id"]) != job["version"]:
                    self._send(job["owner"], event_of(job))
            self._versions = {job["id"]: job["version"] for job in jobs}
            await asyncio.sleep(PAUSE)

    def _send(self, user: int, event: str) -> None:
        for events in self._listeners.get(user, ()):
            if events.full():  # the listener is too slow: it connects again and gets all anew
                while not events.empty():
                    events.get_nowait()
                events.put_nowait(None)
            else:
                events.put_nowait(event)


HUB = Hub()


async def read(users: list[int]) -> list[dict[str, Any]]:
    """Return `changed_jobs`; no connection to the database stays open for it."""

    def read_and_close() -> list[dict[str, Any]]:
        try:
            return changed_jobs(users)
        finally:
            connection.close()

    return await asyncio.to_thread(read_and_close)


def changed_jobs(users: Iterable[int]) -> list[dict[str, Any]]:
    """Return the jobs of some users that are open or changed a short time ago."""
    rows = Job.objects.filter(owner__in=users)
    rows = rows.filter(Q(state__in=OPEN) | Q(updated__gt=timezone.now() - RECENT))
    return [
        {
            "id": str(job.pk), "song": str(job.song_id), "owner": job.owner_id,
            "version": job.version, "state": job.state, "done": job.done, "total": job.total,
            "seconds_left": job.seconds_left,
        }
        for job in rows.order_by("created")
    ]  # fmt: skip


def event_of(job: dict[str, Any]) -> str:
    """Return a job as an event."""
    data = {name: value for name, value in job.items() if name != "owner"}
    return f"event: job\ndata: {json.dumps(data)}\n\n"

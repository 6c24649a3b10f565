"""What happens on the server, in figures: for administrators and for monitoring."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from django.db.models import Count, Sum
from django.utils import timezone
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from .models import Job, Song, Stem
from .settings import CONFIG

RECENT = 20  # jobs from which the speed is told
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Figures:
    """The state of a server.

    Attributes
    ----------
    jobs : dict of str to int
        Number of jobs in each state.
    oldest_seconds : float
        How long the oldest job has been waiting.
    speed : float or None
        Seconds of audio that were separated in one second, in the last 20 jobs.
    songs, song_bytes, stem_bytes : int
    free_bytes, disk_bytes : int
        The disk with the data folder.
    failures : dict of str to int
        Number of failed jobs of the last 24 hours by the reason.
    """

    oldest_seconds: float
    speed: float | None
    songs: int
    song_bytes: int
    stem_bytes: int
    free_bytes: int
    disk_bytes: int
    jobs: dict[str, int] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)


def figures() -> Figures:
    """Return the state of the server."""
    now = timezone.now()
    states = dict(Job.objects.order_by().values_list("state").annotate(Count("pk")))
    oldest = Job.objects.filter(state=Job.State.QUEUED).order_by("created").first()
    failed = Job.objects.filter(state=Job.State.FAILED, finished__gt=now - DAY)
    songs = Song.objects.aggregate(Count("pk"), Sum("bytes"))
    disk = shutil.disk_usage(CONFIG.folder)
    return Figures(
        jobs={state: states.get(state, 0) for state in Job.State.values},
        oldest_seconds=(now - oldest.created).total_seconds() if oldest else 0.0,
        speed=speed(),
        songs=songs["pk__count"],
        song_bytes=songs["bytes__sum"] or 0,
        stem_bytes=Stem.objects.aggregate(Sum("bytes"))["bytes__sum"] or 0,
        free_bytes=disk.free,
        disk_bytes=disk.total,
        failures=dict(failed.order_by().values_list("error_code").annotate(Count("pk"))),
    )


def speed() -> float | None:
    """Return how many seconds of audio were separated in a second, in the last jobs."""
    done = Job.objects.filter(state=Job.State.DONE).select_related("song")
    jobs = done.order_by("-finished")[:RECENT]
    spent = sum(
        (job.finished - job.started).total_seconds() for job in jobs if job.started and job.finished
    )
    return sum(job.song.seconds for job in jobs) / spent if spent else None


class JobCollector(Collector):
    """Gives the figures to Prometheus."""

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        now = figures()
        jobs = GaugeMetricFamily("wavesep_jobs", "Number of jobs", labels=["state"])
        for state, count in now.jobs.items():
            jobs.add_metric([state], count)
        yield jobs
        for name, about in (
            ("oldest_seconds", "How long the oldest job has been waiting"),
            ("speed", "Seconds of audio separated in one second, in the last jobs"),
            ("songs", "Number of songs"),
            ("song_bytes", "Size of the songs"),
            ("stem_bytes", "Size of the stems"),
            ("free_bytes", "Free space of the disk"),
        ):
            yield GaugeMetricFamily(f"wavesep_{name}", about, getattr(now, name) or 0)


def registry() -> CollectorRegistry:
    """Return the metrics of this process and of the server."""
    made = CollectorRegistry()
    ProcessCollector(registry=made)
    PlatformCollector(registry=made)
    made.register(JobCollector())
    return made

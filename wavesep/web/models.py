"""What the database holds: songs, the jobs that separate them, their stems, and tokens.

Only `wavesep.web.jobs` changes the state of a job. A row says that a file is there only after the
file is complete on the disk, and a file is deleted only after its row says so.
"""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models


class Song(models.Model):
    """A song that somebody has uploaded; its content is the file that has its id as name."""

    class State(models.TextChoices):
        """Life of a song."""

        UPLOADING = "uploading"
        READY = "ready"
        BAD = "bad"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="songs")
    title = models.CharField(max_length=255)
    state = models.CharField(max_length=16, choices=State.choices, default=State.UPLOADING)
    error = models.CharField(max_length=500, blank=True)
    bytes = models.BigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True)
    seconds = models.FloatField(default=0)
    sample_rate = models.IntegerField(default=0)
    channels = models.IntegerField(default=0)
    created = models.DateTimeField(auto_now_add=True)
    expires = models.DateTimeField()

    class Meta:
        """Newest first."""

        ordering = ("-created", "id")

    def __str__(self) -> str:
        """Return the title."""
        return self.title


class Job(models.Model):
    """One separation of a song."""

    class State(models.TextChoices):
        """Life of a job; see `wavesep.web.jobs`."""

        QUEUED = "queued"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"
        CANCELLED = "cancelled"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="jobs")
    song = models.ForeignKey(Song, models.CASCADE, related_name="jobs")
    model = models.CharField(max_length=200)
    codec = models.CharField(max_length=8, default="flac")
    idempotency_key = models.CharField(max_length=100, null=True)
    state = models.CharField(max_length=16, choices=State.choices, default=State.QUEUED)
    error_code = models.CharField(max_length=32, blank=True)
    error = models.CharField(max_length=500, blank=True)
    priority = models.IntegerField(default=0)
    attempt = models.IntegerField(default=0)
    worker = models.CharField(max_length=100, blank=True)
    lease_until = models.DateTimeField(null=True)
    cancel = models.BooleanField(default=False)
    done = models.BigIntegerField(default=0)
    total = models.BigIntegerField(default=0)
    gain_db = models.FloatField(default=0)
    version = models.BigIntegerField(default=0)
    created = models.DateTimeField(auto_now_add=True)
    started = models.DateTimeField(null=True)
    finished = models.DateTimeField(null=True)
    updated = models.DateTimeField(auto_now=True)

    class Meta:
        """Newest first; the index is for claims and sweeps."""

        ordering = ("-created", "id")
        indexes = (models.Index(fields=("state", "lease_until")),)
        constraints = (
            models.UniqueConstraint(fields=("owner", "idempotency_key"), name="one_request"),
        )

    def __str__(self) -> str:
        """Return the state and the title of the song."""
        return f"{self.state}: {self.song.title}"


class Token(models.Model):
    """A key to the interface for programs; only its hash is stored."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=100)
    hash = models.CharField(max_length=64, unique=True)
    created = models.DateTimeField(auto_now_add=True)
    last_used = models.DateTimeField(null=True)

    def __str__(self) -> str:
        """Return the name."""
        return self.name


class Stem(models.Model):
    """A finished stem of a job."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="stems")
    source = models.CharField(max_length=64)
    file = models.CharField(max_length=200)
    sample_rate = models.IntegerField()
    channels = models.IntegerField()
    samples = models.BigIntegerField()
    bytes = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)

    class Meta:
        """A source of a job has one stem."""

        constraints = (models.UniqueConstraint(fields=("job", "source"), name="one_stem"),)

    def __str__(self) -> str:
        """Return the source."""
        return self.source

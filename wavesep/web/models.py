"""What the database holds: songs, jobs, stems, and who may do what.

Only `wavesep.web.jobs` changes the state of a job. A row says that a file is there only after the
file is complete on the disk, and a file is deleted only after its row says so.
"""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone


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

    @property
    def share(self) -> float:
        """How much of the song is separated, from 0 to 1."""
        return self.done / self.total if self.total else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Seconds until a running job ends, if it goes on as fast as before."""
        if self.state != self.State.RUNNING or not self.done or self.started is None:
            return None
        spent = (timezone.now() - self.started).total_seconds()
        return spent * (self.total - self.done) / self.done


OPEN = (Job.State.QUEUED, Job.State.RUNNING)


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


class Invitation(models.Model):
    """A link that lets somebody in once; only the hash of its key is stored.

    With a user, it logs this user in. Without one, the visitor makes an account.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True)
    hash = models.CharField(max_length=64, unique=True)
    created = models.DateTimeField(auto_now_add=True)
    expires = models.DateTimeField()

    def __str__(self) -> str:
        """Return for whom it is."""
        return str(self.user or "a new user")


class FailedLogin(models.Model):
    """A wrong password; many of them lock the name for an address for a while."""

    name = models.CharField(max_length=150)
    address = models.CharField(max_length=64)
    at = models.DateTimeField(auto_now_add=True, db_index=True)

    def __str__(self) -> str:
        """Return the name and the address."""
        return f"{self.name} from {self.address}"


class Allowance(models.Model):
    """The limits of one user; an empty field stands for the server's setting."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="allowance"
    )
    seconds_a_day = models.FloatField(null=True, blank=True)
    most_bytes = models.BigIntegerField(null=True, blank=True)
    most_waiting = models.IntegerField(null=True, blank=True)
    days_kept = models.FloatField(null=True, blank=True)

    def __str__(self) -> str:
        """Return whose it is."""
        return f"allowance of {self.user}"


class LiveUse(models.Model):
    """The live sound that was separated for a user in one stream."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="live_uses")
    began = models.DateTimeField(auto_now_add=True, db_index=True)
    seconds = models.FloatField(default=0)

    def __str__(self) -> str:
        """Return how much it was."""
        return f"{self.seconds:.0f} s for {self.user}"


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

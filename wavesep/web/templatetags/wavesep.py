"""How pages write times, shares and states."""

from __future__ import annotations

from django import template

from ..models import Job, Song

register = template.Library()


@register.filter
def clock(seconds: float) -> str:
    """Return a time as 3:07, or as 1:02:03."""
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@register.filter
def plain(number: float) -> str:
    """Return a number as programs read it."""
    return f"{number:.6g}"


@register.filter
def size(number: int) -> str:
    """Return a number of bytes in the unit that fits."""
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if number >= unit:
            return f"{number / unit:.3g} {name}"
    return f"{number} bytes"


@register.filter
def samples(song: Song) -> int:
    """Return the length of a song, as far as its header tells."""
    return round(song.seconds * song.sample_rate)


@register.filter
def status(song: Song) -> str:
    """Describe the state of a song and of its latest job."""
    if song.state == Song.State.UPLOADING:
        return "the upload is not complete"
    if song.state == Song.State.BAD:
        return f"cannot be used: {song.error}"
    listed = getattr(song, "listed_jobs", [])
    return job_status(listed[0]) if listed else "not separated"


@register.filter
def job_status(job: Job) -> str:
    """Describe the state of a job."""
    if job.state == Job.State.QUEUED:
        return "waiting"
    if job.state == Job.State.RUNNING:
        return running_status(job)
    if job.state == Job.State.FAILED:
        return f"failed: {job.error}"
    return {Job.State.DONE: "ready", Job.State.CANCELLED: "cancelled"}[Job.State(job.state)]


def running_status(job: Job) -> str:
    """Describe how far a job is."""
    left = f", {clock(job.seconds_left)} left" if job.seconds_left is not None else ""
    return f"separating, {job.share:.0%}{left}" if job.done else "starting"


@register.filter
def file_name(path: str) -> str:
    """Return the last part of a path: a server's own model may be a file."""
    return path.rpartition("/")[2]

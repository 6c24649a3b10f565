"""The pages. They work without JavaScript; with it, they follow what happens and play stems."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from io import BytesIO
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.files.uploadedfile import UploadedFile
from django.db.models import Prefetch, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ..audio import TWO_STEMS
from . import jobs, songs
from .access import user_of
from .models import Job, Song
from .problems import Problem
from .settings import CONFIG
from .submissions import separating_models, submit

CHANGES: dict[str, Callable[[Job], object]] = {
    "cancel": jobs.cancel,
    "retry": jobs.retry,
    "delete": songs.delete_job,
}
DEMO = files("wavesep.cli").joinpath("demo.ogg")


def refused(request: HttpRequest, problem: Problem) -> HttpResponse:
    """Return the page of a problem."""
    return render(request, "wavesep/problem.html", {"problem": problem}, status=problem.status)


@login_required
@require_http_methods(["GET", "POST"])
def home(request: HttpRequest) -> HttpResponse:
    """List the songs of the user; take songs that are posted as a form."""
    if request.method == "POST":
        return take_songs(request)
    return render(request, "wavesep/home.html", {"songs": songs_of(request)} | choices())


def take_songs(request: HttpRequest) -> HttpResponse:
    """Take the files of a form, and queue them."""
    wanted = {name: request.POST[name] for name in ("model", "codec") if name in request.POST}
    try:
        for file in request.FILES.getlist("songs"):
            if isinstance(file, UploadedFile) and file.size:
                take_song(user_of(request), file.name or "", file.size, file.open(), **wanted)
    except Problem as problem:
        return refused(request, problem)
    return redirect("home")


def take_song(
    user: User, title: str, size: int, file: songs.Readable, *,
    model: str = CONFIG.model, codec: str = "flac",
) -> None:  # fmt: skip
    """Store a file as a song, and queue it if it is one.

    Raises
    ------
    Problem
        See `songs.begin_upload` and `submit`.
    """
    song = songs.begin_upload(user, title, size)
    songs.add_chunk(song, 0, file)
    songs.finish_upload(song)
    if song.state == Song.State.READY:
        submit(user, song, model, codec)


@login_required
@require_POST
def demo(request: HttpRequest) -> HttpResponse:
    """Take the song that comes with wavesep."""
    content = DEMO.read_bytes()
    try:
        take_song(user_of(request), "Demo", len(content), BytesIO(content))
    except Problem as problem:
        return refused(request, problem)
    return redirect("home")


@login_required
@require_GET
def row(request: HttpRequest, song: UUID) -> HttpResponse:
    """Return the row of one song in the list, as a part of a page."""
    return render(request, "wavesep/row.html", {"song": one_song(request, song)})


@login_required
@require_http_methods(["GET", "POST"])
def song_page(request: HttpRequest, song: UUID) -> HttpResponse:
    """Show a song with its player; queue another separation of it."""
    found = one_song(request, song)
    if request.method == "POST":
        try:
            model, codec = (request.POST.get(name, "") for name in ("model", "codec"))
            submit(user_of(request), found, model, codec)
        except Problem as problem:
            return refused(request, problem)
        return redirect("song", song)
    wanted = request.GET.get("job")
    shown = [job for job in found.listed_jobs if wanted in (None, str(job.pk))]
    job = shown[0] if shown else None
    stems = [stem.source for stem in job.stems.all()] if job else []
    context = {"song": found, "job": job, "sources": stems or TWO_STEMS}
    return render(request, "wavesep/song.html", context | choices())


@login_required
@require_GET
def live(request: HttpRequest) -> HttpResponse:
    """Show the page that separates live sound."""
    return render(request, "wavesep/live.html", {"sources": TWO_STEMS})


@login_required
@require_POST
def delete_song(request: HttpRequest, song: UUID) -> HttpResponse:
    """Delete a song, its jobs and its stems."""
    songs.delete_song(one_song(request, song))
    return redirect("home")


@login_required
@require_POST
def change_job(request: HttpRequest, job: UUID, change: str) -> HttpResponse:
    """Cancel, retry or delete a job."""
    found = Job.objects.filter(owner=user_of(request), pk=job).first()
    if found is None or change not in CHANGES:
        raise Http404
    CHANGES[change](found)
    return redirect("song", found.song_id)


def songs_of(request: HttpRequest) -> QuerySet[Song]:
    """Return the songs of the user, each with its jobs as ``listed_jobs``, the newest first."""
    rows = Job.objects.select_related("song").prefetch_related("stems")
    listed = Prefetch("jobs", rows, to_attr="listed_jobs")
    return Song.objects.filter(owner=user_of(request)).prefetch_related(listed)


def one_song(request: HttpRequest, song: UUID) -> Any:
    """Return a song of the user, with its jobs.

    Raises
    ------
    Http404
        If there is none; another's song is reported as none.
    """
    found = songs_of(request).filter(pk=song).first()
    if found is None:
        raise Http404
    return found


def choices() -> dict[str, Any]:
    """Return what a user can choose for a separation."""
    return {
        "models": separating_models(), "default_model": CONFIG.model,
        "codecs": ["flac", "wav", "mp3"], "limits": CONFIG,
    }  # fmt: skip

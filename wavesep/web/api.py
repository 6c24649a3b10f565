"""The interface for programs and for the pages: songs, jobs and stems, under ``/api/v1``."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import close_old_connections, transaction
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from ninja import Field, Header, NinjaAPI, Query, Schema, Status
from ninja.errors import AuthenticationError, ValidationError
from ninja.security import HttpBearer, django_auth

from ..errors import DiskFullError, StoreError
from . import access, events, jobs, songs, storage, windows
from .access import user_of
from .downloads import send_file
from .models import Job, Song
from .problems import Problem, not_found, out_of_reach
from .problems import unauthorised as access_refused
from .settings import CONFIG
from .submissions import separating_models, submit

PAGE = 50  # rows of a list
CHUNK = 8_000_000  # bytes of a chunk of an upload, at most
After = Annotated[int, Query(ge=0, le=1_000_000_000)]
WINDOW = 10  # seconds of a preview in one answer, at most


class ByToken(HttpBearer):
    """Access by a token, which needs no protection against forged requests."""

    def authenticate(self, request: HttpRequest, token: str) -> User | None:
        """Return the user of a token."""
        user = access.user_of_token(token)
        if user:
            request.user = user
        return user


class ByTokenLater(HttpBearer):
    """`ByToken` for what runs on the event loop."""

    async def authenticate(self, request: HttpRequest, token: str) -> User | None:
        """Return the user of a token."""
        return await sync_to_async(ByToken().authenticate)(request, token)


async def by_session(request: HttpRequest) -> Any:
    """Return the user of a session, on the event loop."""
    user = await request.auser()
    request.user = user
    return user if user.is_authenticated else None


class NewSong(Schema):
    """A song that is going to be uploaded."""

    name: Annotated[str, Field(max_length=1_000)]
    bytes: int


class SongOut(Schema):
    """A song."""

    id: UUID
    title: str
    state: str
    error: str
    bytes: int
    seconds: float
    sample_rate: int
    channels: int
    created: datetime
    expires: datetime


class NewJob(Schema):
    """A separation that is asked for."""

    song: UUID
    model: Annotated[str, Field(max_length=200)] = CONFIG.model
    codec: str = "flac"


class StemOut(Schema):
    """A finished stem."""

    source: str
    file: str
    sample_rate: int
    channels: int
    samples: int
    bytes: int
    sha256: str


class JobOut(Schema):
    """A job; ``done`` and ``total`` are samples."""

    id: UUID
    song: UUID = Field(alias="song_id")
    title: str = Field(alias="song.title")
    model: str
    codec: str
    state: str
    error_code: str
    error: str
    attempt: int
    done: int
    total: int
    seconds_left: float | None
    gain_db: float
    created: datetime
    started: datetime | None
    finished: datetime | None
    stems: list[StemOut]

    @staticmethod
    def resolve_stems(job: Job) -> list[Any]:
        """Return the stems of the row."""
        return list(job.stems.all())


class Offset(Schema):
    """How many bytes of an upload have arrived, and the state of the song."""

    offset: int
    state: str
    error: str


class ModelOut(Schema):
    """A model that jobs can name."""

    name: str
    about: str


class Me(Schema):
    """The user who calls, and the limits."""

    name: str
    largest_song: int
    longest_song: float
    most_channels: int
    days_kept: float


class ProblemOut(Schema):
    """An error: ``code`` is for programs and ``message`` for people."""

    code: str
    message: str


PROBLEMS = {code: ProblemOut for code in (401, 404, 409, 413, 422, 425, 429)}
api = NinjaAPI(
    title="wavesep", version="1", auth=[ByToken(), django_auth], urls_namespace="api",
    description="Separate songs: upload a song, make a job, download its stems.",
)  # fmt: skip


@api.exception_handler(Problem)
def told(request: HttpRequest, problem: Problem) -> HttpResponse:
    """Return a problem as JSON."""
    answer = api.create_response(
        request, {"code": problem.code, "message": problem.message}, status=problem.status
    )
    for name, value in problem.headers.items():
        answer[name] = value
    return answer


@api.exception_handler(StoreError)
def without_store(request: HttpRequest, error: StoreError) -> HttpResponse:
    """Return that something cannot be fetched now."""
    return told(request, out_of_reach(error))


@api.exception_handler(DiskFullError)
def full_disk(request: HttpRequest, _: DiskFullError) -> HttpResponse:
    """Return that something cannot be written."""
    return told(request, Problem(507, "disk_full", "the server's disk is full"))


@api.exception_handler(AuthenticationError)
def unauthorised(request: HttpRequest, _: AuthenticationError) -> HttpResponse:
    """Return that credentials are missing."""
    return told(request, access_refused())


@api.exception_handler(ValidationError)
def invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """Return the first invalid value of a request."""
    first = error.errors[0]
    place = ".".join(str(part) for part in first["loc"][1:])
    return told(request, Problem(422, "invalid", f"{place}: {first['msg']}"))


@api.post("/songs", response={201: SongOut} | PROBLEMS)
def begin_upload(request: HttpRequest, new: NewSong) -> Status[Song]:
    """Register a song; then send its bytes in chunks."""
    return Status(201, songs.begin_upload(user_of(request), new.name, new.bytes))


@api.get("/songs/{song}/body", response={200: Offset} | PROBLEMS)
def upload_offset(request: HttpRequest, song: UUID) -> dict[str, Any]:
    """Return how many bytes of an upload have arrived."""
    found = songs.song_of(user_of(request), song)
    return offset(found, songs.offset_of(found))


@api.put("/songs/{song}/body", response={200: Offset} | PROBLEMS)
def upload_chunk(
    request: HttpRequest, song: UUID, upload_offset: Annotated[int, Header(ge=0)]
) -> dict[str, Any]:
    """Append a chunk of at most 8 MB; ``Upload-Offset`` is the place of its first byte."""
    with transaction.atomic():
        found = songs.song_of(user_of(request), song, locked=True)
        there = songs.add_chunk(found, upload_offset, request)
    if found.state == Song.State.UPLOADING and there == found.bytes:
        songs.finish_upload(found)
    return offset(found, there)


def offset(song: Song, there: int) -> dict[str, Any]:
    """Return the state of an upload."""
    return {"offset": there, "state": song.state, "error": song.error}


@api.get("/songs", response=list[SongOut])
def list_songs(request: HttpRequest, after: After = 0) -> list[Song]:
    """List songs, the newest first; ``after`` skips as many."""
    return list(Song.objects.filter(owner=user_of(request))[after : after + PAGE])


@api.get("/songs/{song}", response={200: SongOut} | PROBLEMS)
def one_song(request: HttpRequest, song: UUID) -> Song:
    """Return a song."""
    return songs.song_of(user_of(request), song)


@api.delete("/songs/{song}", response={204: None} | PROBLEMS)
def delete_song(request: HttpRequest, song: UUID) -> Status[None]:
    """Delete a song, its jobs and its stems."""
    songs.delete_song(songs.song_of(user_of(request), song))
    return Status(204, None)


@api.post("/jobs", response={202: JobOut} | PROBLEMS)
def new_job(
    request: HttpRequest, new: NewJob, response: HttpResponse,
    idempotency_key: Annotated[str | None, Header(max_length=100)] = None,
) -> Status[Job]:  # fmt: skip
    """Queue a separation. With the same ``Idempotency-Key``, the same job is returned again."""
    user = user_of(request)
    song = songs.song_of(user, new.song)
    job = submit(user, song, new.model, new.codec, idempotency_key)
    response["Location"] = f"/api/v1/jobs/{job.pk}"
    return Status(202, job)


@api.get("/jobs", response=list[JobOut])
def list_jobs(request: HttpRequest, after: After = 0) -> list[Job]:
    """List jobs, the newest first; ``after`` skips as many."""
    rows = (
        Job.objects.filter(owner=user_of(request)).select_related("song").prefetch_related("stems")
    )
    return list(rows[after : after + PAGE])


@api.get("/jobs/{uuid:job}", response={200: JobOut} | PROBLEMS)
def one_job(request: HttpRequest, job: UUID) -> Job:
    """Return a job."""
    return job_of(request, job)


@api.post("/jobs/{job}/cancel", response={200: JobOut} | PROBLEMS)
def cancel_job(request: HttpRequest, job: UUID) -> Job:
    """Cancel a job that waits or runs."""
    jobs.cancel(job_of(request, job))
    return job_of(request, job)


@api.post("/jobs/{job}/retry", response={200: JobOut} | PROBLEMS)
def retry_job(request: HttpRequest, job: UUID) -> Job:
    """Queue a failed or cancelled job again."""
    if not jobs.retry(job_of(request, job)):
        raise Problem(409, "not_ended", "only failed and cancelled jobs can be queued again")
    return job_of(request, job)


@api.delete("/jobs/{uuid:job}", response={204: None} | PROBLEMS)
def delete_job(request: HttpRequest, job: UUID) -> Status[None]:
    """Delete a job and its stems."""
    songs.delete_job(job_of(request, job))
    return Status(204, None)


@api.get("/jobs/{job}/stems/{source}", response={200: None} | PROBLEMS)
def stem_file(request: HttpRequest, job: UUID, source: str) -> HttpResponseBase:
    """Download a finished stem; ranges work."""
    found = job_of(request, job)
    stem = found.stems.filter(source=source).first()
    if stem is None:
        raise not_found()
    path = storage.fetched(storage.attempt_folder(job, found.attempt) / stem.file)
    return send_file(request, path, f"{found.song.title} - {stem.file}", stem.sha256)


@api.get("/jobs/{job}/pcm/{source}", response={200: None} | PROBLEMS)
def stem_window(
    request: HttpRequest, job: UUID, source: str,
    at: Annotated[int, Query(ge=0)], count: Annotated[int, Query(ge=1)],
) -> HttpResponse:  # fmt: skip
    """Return samples of a stem, up to ten seconds; this works while the job runs.

    They are 16-bit integers, little-endian, with interleaved channels.
    """
    found = job_of(request, job)
    most = WINDOW * found.song.sample_rate
    samples = windows.window(found, source, at, min(count, most))
    return HttpResponse(samples, content_type="application/octet-stream")


@api.get("/jobs/{job}/peaks/{source}", response={200: None} | PROBLEMS)
def stem_peaks(
    request: HttpRequest, job: UUID, source: str, at: Annotated[int, Query(ge=0)] = 0
) -> HttpResponse:
    """Return the smallest and the largest sample of every 1,024 samples, as two signed bytes each.

    ``at`` is the number of the first pair. The gain of the job is not applied yet.
    """
    found = windows.peaks(job_of(request, job), source, at)
    return HttpResponse(found, content_type="application/octet-stream")


@api.get("/events", auth=[ByTokenLater(), by_session], response={200: None} | PROBLEMS)
async def job_events(request: HttpRequest) -> StreamingHttpResponse:
    """Send each change of a job as a server-sent event ``job``, the open jobs first."""
    user = user_of(request).pk
    await sync_to_async(close_old_connections)()  # the stream would keep one open
    if events.HUB.is_full(user):
        raise Problem(
            429, "busy", f"you have {events.MOST_STREAMS} streams open", {"Retry-After": "60"}
        )
    return StreamingHttpResponse(
        events.HUB.listen(user), content_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )  # fmt: skip


@api.get("/models", response=list[ModelOut])
def models(request: HttpRequest) -> list[dict[str, str]]:
    """List the models that jobs can name."""
    del request  # all users have the same models
    return [{"name": name, "about": about} for name, about in separating_models().items()]


@api.get("/me", response=Me)
def me(request: HttpRequest) -> dict[str, Any]:
    """Return the user who calls, and the limits."""
    return {"name": user_of(request).username} | {
        name: getattr(CONFIG, name)
        for name in ("largest_song", "longest_song", "most_channels", "days_kept")
    }


def job_of(request: HttpRequest, job: UUID) -> Job:
    """Return a job of the user who calls.

    Raises
    ------
    Problem
        If there is none; another's job is reported as none.
    """
    found = Job.objects.filter(owner=user_of(request), pk=job).select_related("song").first()
    if found is None:
        raise not_found()
    return found

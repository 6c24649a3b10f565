"""Downloads that are made of the stems of a finished job: all of them, and own mixes."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from ninja import Router

from . import storage
from .api import PROBLEMS, ProblemOut, job_of
from .downloads import send_file
from .mixes import LOUDEST, gains_of, mix_file
from .models import Job
from .problems import Problem
from .zips import entry_name, send_zip

router = Router()
GAINS: dict[str, Any] = {  # how OpenAPI describes parameters whose names are data
    "name": "gains",
    "in": "query",
    "required": True,
    "schema": {
        "type": "object",
        "additionalProperties": {"type": "number", "minimum": 0, "maximum": LOUDEST},
        "example": {"vocals": 0.3, "accompaniment": 1},
    },
}


@router.get("/jobs/{uuid:job}.zip", response={200: None} | PROBLEMS)
def stems_as_zip(request: HttpRequest, job: UUID) -> HttpResponseBase:
    """Download all stems of a finished job as one zip file."""
    found = finished_job(request, job)
    folder = storage.attempt_folder(job, found.attempt)
    title = found.song.title
    files = {
        entry_name(title, stem.file): storage.fetched(folder / stem.file)
        for stem in found.stems.all()
    }
    return send_zip(files, f"{title}.zip", found.finished or found.created)


@router.get(
    "/jobs/{job}/mix.{codec}",
    response={200: None} | PROBLEMS | {507: ProblemOut},
    openapi_extra={"parameters": [GAINS]},
)
def own_mix(
    request: HttpRequest, job: UUID, codec: Literal["wav", "flac", "mp3"]
) -> HttpResponseBase:
    """Download a mix of the stems of a finished job, such as ``?vocals=0.3&accompaniment=1``.

    Each gain is a factor from 0 to 2; a source that is not named has gain 0. The whole mix is
    turned down if it would clip. With one source, this is a stem in another codec.
    """
    found = finished_job(request, job)
    path = mix_file(found, gains_of(found, request.GET.dict()), codec)
    return send_file(request, path, f"{found.song.title} - mix.{codec}", f"{job}-{path.name}")


def finished_job(request: HttpRequest, job: UUID) -> Job:
    """Return a finished job of the user who calls.

    Raises
    ------
    Problem
        If there is none, or it is in another state.
    """
    found = job_of(request, job)
    if found.state != Job.State.DONE:
        raise Problem(409, "not_done", f"the job is {found.state}")
    return found

"""The jobs that users ask for."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from ..audio.write import CODECS
from ..models.frame_cnn.architecture import ActivityArchitecture
from ..models.registry import list_models
from .allowances import check_job
from .models import Job, Song
from .problems import Problem, not_found
from .settings import CONFIG


def submit(user: User, song: Song, model: str, codec: str, key: str | None = None) -> Job:
    """Queue a separation.

    Parameters
    ----------
    user : User
    song : Song
        A song of the user.
    model : str
        One of `separating_models`.
    codec : str
        "wav", "flac" or "mp3".
    key : str, optional
        With the same key, the same job is returned again.

    Raises
    ------
    Problem
        If a value is not one of the above, the song is not ready, or a limit is reached.
    """
    asked_before = Job.objects.filter(owner=user, idempotency_key=key or "")
    if job := asked_before.first():
        return job
    if song.state != Song.State.READY:
        raise Problem(409, "not_ready", f"the song is {song.state}")
    if codec not in CODECS:
        raise Problem(422, "invalid", f"codec: choose one of {', '.join(CODECS)}")
    if model not in separating_models():
        raise Problem(422, "invalid", "model: choose one of /models")
    check_job(user, song)
    try:
        with transaction.atomic():
            return Job.objects.create(
                owner=user, song=song, model=model, codec=codec, idempotency_key=key or None
            )
    except IntegrityError:  # the same was asked at this moment, or the song was deleted
        if job := asked_before.first():
            return job
        raise not_found() from None


def separating_models() -> dict[str, str]:
    """Return the models that separate and are installed, and the server's own: name and about."""
    models = {
        name: model.about
        for name, model in list_models().items()
        if model.ships and model.kind != ActivityArchitecture.kind
    }
    return models if CONFIG.model in models else {CONFIG.model: "the model of this server"} | models

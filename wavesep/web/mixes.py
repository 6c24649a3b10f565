"""Own mixes of the stems of a finished job, each made once and kept with them."""

from __future__ import annotations

import hashlib
import json
import math
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import numpy as np

from ..audio.read import open_audio
from ..audio.write import StemFormat, open_stems
from ..errors import OptionError, WavesepError
from . import storage
from .allowances import check_disk
from .models import Job
from .problems import Problem, not_found

LOUDEST = 2.0  # the largest gain, a factor
AT_A_TIME = 2  # mixes that are made in this process, at most
KEPT = 10  # mixes of a job, at most: they need space on the disk

Gains = dict[str, float]
making: set[Path] = set()  # the mixes that are being made in this process
changing = threading.Lock()  # of `making`


def gains_of(job: Job, query: Mapping[str, str]) -> Gains:
    """Return the gain of each source that a request names.

    Raises
    ------
    Problem
        If it names none, or one that the job does not have, or a gain is not from 0 to 2.
    """
    sources = [stem.source for stem in job.stems.all()]
    gains = {source: to_gain(text) for source, text in sorted(query.items())}
    if not gains or not gains.keys() <= {*sources}:
        raise Problem(422, "invalid", f"name sources and their gains: {', '.join(sources)}")
    if wrong := [source for source, gain in gains.items() if not 0 <= gain <= LOUDEST]:
        raise Problem(422, "invalid", f"{wrong[0]}: the gain must be from 0 to {LOUDEST:g}")
    return gains


def to_gain(text: str) -> float:
    """Convert a text to a gain; what is not a number becomes NaN."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def mix_file(job: Job, gains: Gains, codec: str) -> Path:
    """Return the file of a mix, after making it if it is not there.

    Parameters
    ----------
    job : Job
        It is done.
    gains : dict of str to float
    codec : {"wav", "flac", "mp3"}

    Raises
    ------
    Problem
        If it or others are being made, the codec does not support the song, there is no room for
        it, or the job has been deleted in the meantime.
    DiskFullError, StoreError
        If it cannot be written, or a stem not be fetched.
    """
    path = path_of(job, gains, codec)
    if path.exists():
        path.touch()  # those that were asked for last are kept
        return path
    # the mix grows as 32-bit floats, and is then written in its final form
    check_disk(round(2 * 4 * job.song.channels * job.song.seconds * job.song.sample_rate))
    try:
        with slot(path):
            make_mix(job, gains, codec, path)
    except OptionError as error:
        raise Problem(422, "invalid", str(error)) from error
    except WavesepError:
        check_there(job)
        raise
    check_there(job)
    remove_oldest(path.parent)
    return path


@contextmanager
def slot(path: Path) -> Iterator[None]:
    """Let a mix be made by one request only, and few mixes at a time.

    Raises
    ------
    Problem
        If it is being made, or too many others are.
    """
    with changing:
        if path in making or len(making) >= AT_A_TIME:
            raise Problem(429, "busy", "mixes are being made; try again", {"Retry-After": "5"})
        making.add(path)
    try:
        yield
    finally:
        making.discard(path)


def path_of(job: Job, gains: Gains, codec: str) -> Path:
    """Return where a mix is kept; its name is made of the gains and the codec."""
    name = hashlib.sha256(json.dumps(gains).encode()).hexdigest()[:32]
    return storage.attempt_folder(job.pk, job.attempt) / "mixes" / f"{name}.{codec}"


def make_mix(job: Job, gains: Gains, codec: str, path: Path) -> None:
    """Mix stems block by block; like stems, the mix is turned down if it would clip.

    Raises
    ------
    AudioError
        If a stem cannot be read.
    OptionError
        If the codec does not support the rate or the channels.
    OutputError
        If the mix cannot be written: see its subclasses.
    StoreError
        If a stem cannot be fetched.
    Problem
        If the job has been deleted in the meantime.
    """
    files = {stem.source: stem.file for stem in job.stems.all()}
    if not gains.keys() <= files.keys():
        raise not_found()
    folder = storage.attempt_folder(job.pk, job.attempt)
    song = storage.fetched(storage.song_path(job.song_id))  # for its tags
    with ExitStack() as stack:
        stems = [
            stack.enter_context(open_audio(storage.fetched(folder / files[source])))
            for source in gains
        ]
        info = stems[0].info
        bits = min(info.bits, 24) if codec == "flac" else info.bits
        writer = stack.enter_context(
            open_stems(
                {"mix": path}, StemFormat(codec, bits, info.sample_rate, info.channels),
                samples=info.samples, overwrite=True, song=song,
            )
        )  # fmt: skip
        for blocks in zip(*(stem.blocks() for stem in stems), strict=True):
            parts = [gain * block for gain, block in zip(gains.values(), blocks, strict=True)]
            writer.write({"mix": np.sum(parts, axis=0)})


def check_there(job: Job) -> None:
    """Check that a job has not been deleted while its mix was made.

    Raises
    ------
    Problem
        If it has; what was written after that is removed.
    """
    if not Job.objects.filter(pk=job.pk).exists():
        storage.delete_job(job.pk)
        raise not_found()


def remove_oldest(folder: Path) -> None:
    """Keep the mixes of a job that were asked for last."""
    with suppress(FileNotFoundError):  # another request removes the same
        mixes = sorted(folder.glob("[0-9a-f]*.*"), key=lambda path: path.stat().st_mtime_ns)
        for path in mixes[:-KEPT]:
            path.unlink()

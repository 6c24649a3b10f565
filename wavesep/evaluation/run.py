"""Songs scored in one or several processes; a stopped run can go on."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from ..atomic import write_whole, writing
from ..audio import TWO_STEMS, Audio
from ..data.tracks import Stems, Track
from ..errors import AudioError, OptionError, WavesepError
from ..models.arrays import fingerprint
from ..systems.tree import read_models
from .pictures import SECONDS, draw_spectrograms
from .scoring import (
    MIXTURE,
    ORACLES,
    Row,
    bss_eval,
    bss_sdr,
    check_bss_eval,
    estimates,
    loudest_part,
    median,
    score,
    sung_windows,
)

SCORES, PICTURES, BSS_EVAL = "scores", "pictures", "museval"  # folders of an evaluation
METRICS = ("SDR", "SIR", "ISR", "SAR")


@dataclass(frozen=True)
class Settings:
    """The settings that decide the figures of an evaluation.

    Attributes
    ----------
    models : dict of str to str
        Fingerprint of the weights of each model, by its name or file.
    window : float, optional
        Length of a window in seconds; default: whole songs.
    bss_eval : bool
        Also compute BSS Eval v4, which is by far the slowest score.
    """

    models: dict[str, str]
    window: float | None = None
    bss_eval: bool = False

    @classmethod
    def of(
        cls, models: Sequence[str], window: float | None = None, bss_eval: bool = False
    ) -> Settings:
        """Read the models and check the settings.

        Raises
        ------
        OptionError
            If the window is not longer than 0 s, a model is given twice or is the name of the
            mixture or an ideal mask, or museval is missing for BSS Eval.
        ModelFileError
            If a model is missing, damaged or not a model of wavesep.
        """
        if window is not None and not window > 0:
            raise OptionError(f"a window must be longer than 0 s, not {window}")
        if len(set(models)) < len(models):
            raise OptionError("a model is given twice: give each model once")
        if unfit := [name for name in models if name in (MIXTURE, *ORACLES)]:
            raise OptionError(f"{unfit[0]!r} is always scored: do not give it as a model")
        if bss_eval:
            check_bss_eval()
        return cls({m: fingerprints(m) for m in models}, window, bss_eval)


def fingerprints(model: str) -> str:
    """Return the fingerprints of the weights of all models in a name, joined by "+"."""
    return "+".join(fingerprint(file.arrays) for file in read_models(model))


@dataclass(frozen=True)
class TrackScores:
    """The scores of all systems on one song.

    Attributes
    ----------
    track, subset : str
    settings : dict
        See `Settings`.
    starts, seconds : list of float
        Start and length of each window that is scored, in seconds.
    systems : dict of str to list of dict
        Scores of each window by each system, in dB; nan if there is none.
    bss_eval : dict of str to dict
        Scores of the vocals and the accompaniment by each system, medians over frames.
    """

    track: str
    subset: str
    settings: dict[str, Any]
    starts: list[float]
    seconds: list[float]
    systems: dict[str, list[Row]]
    bss_eval: dict[str, dict[str, Row]] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Path of its files below the folders of an evaluation, without suffix."""
        return key_of(self.subset, self.track)


def key_of(subset: str, track: str) -> str:
    """Return the path of a song's files below the folders of an evaluation, without suffix."""
    return f"{subset}/{track}" if subset else track


def evaluate(
    tracks: Sequence[Track],
    settings: Settings,
    out: str | os.PathLike[str],
    *,
    jobs: int = 1,
    progress: Callable[[TrackScores | None], None] = lambda scores: None,
) -> tuple[list[TrackScores], dict[str, str]]:
    """Score systems on songs.

    The scores of each song are written when it is done. A song with scores of the same settings is
    not scored again, so a stopped run can go on.

    Parameters
    ----------
    tracks : sequence of Track
    settings : Settings
    out : path
        Folder of this evaluation. It holds ``scores/``, one JSON file for each song, ``pictures/``
        and, with BSS Eval, ``museval/SYSTEM/``, the JSON files of museval.
    jobs : int, >= 1
        Processes. Each holds one song and one system's estimates in memory.
    progress : callable, optional
        Called with the scores of each song, or None for a song that could not be scored.

    Returns
    -------
    scores : list of TrackScores
        In the order of the songs.
    failures : dict of str to str
        Songs that could not be scored, and the reason for each.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    out = Path(out)
    for folder in (SCORES, PICTURES):
        with writing(out / folder):
            (out / folder).mkdir(parents=True, exist_ok=True)
    done: dict[str, TrackScores] = {}
    failures: dict[str, str] = {}
    waiting = []
    for track in tracks:
        if stored := load_scores(out, track, settings):
            done[stored.key] = stored
            progress(stored)
        else:
            waiting.append(track)
    results = score_apart if jobs > 1 else score_in_turn
    for track, result in results(waiting, settings, out, jobs):
        key = key_of(track.subset, track.name)
        if isinstance(result, WavesepError):
            failures[key] = str(result)
            progress(None)
        else:
            done[key] = result
            progress(result)
    keys = [key_of(track.subset, track.name) for track in tracks]
    return [done[key] for key in keys if key in done], failures


def score_in_turn(
    tracks: Sequence[Track], settings: Settings, out: Path, jobs: int = 1
) -> Iterator[tuple[Track, TrackScores | WavesepError]]:
    """Yield each song with its scores, or with the error if it cannot be scored."""
    for track in tracks:
        try:
            yield track, score_track(track, settings, out)
        except WavesepError as error:
            yield track, error


def score_apart(
    tracks: Sequence[Track], settings: Settings, out: Path, jobs: int
) -> Iterator[tuple[Track, TrackScores | WavesepError]]:
    """Do the same in several processes; yield the songs in the order in which they finish."""
    # a forked process may hang if its parent has threads, as OpenVINO does
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), ignore_interrupts)
    try:
        work = {pool.submit(score_track, track, settings, out): track for track in tracks}
        for job in as_completed(work):
            error = job.exception()
            if error is not None and not isinstance(error, WavesepError):
                raise error
            yield work[job], error or job.result()
    finally:
        pool.shutdown(cancel_futures=True)


def ignore_interrupts() -> None:
    """Ignore Ctrl-C in a worker: the first process stops, and a song that has begun is finished."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def load_scores(out: Path, track: Track, settings: Settings) -> TrackScores | None:
    """Return the stored scores of a song if their settings are the same, else None."""
    path = out / SCORES / f"{key_of(track.subset, track.name)}.json"
    try:
        stored = TrackScores(**json.loads(path.read_text(encoding="utf-8")))
        rows = [row for system in stored.systems.values() for row in system]
        for row in [*rows, *(row for stems in stored.bss_eval.values() for row in stems.values())]:
            row.update({name: float("nan") for name, score in row.items() if score is None})
    except (OSError, ValueError, TypeError, AttributeError):  # missing, or from another version
        return None
    return stored if stored.settings == asdict(settings) else None


def score_track(track: Track, settings: Settings, out: Path) -> TrackScores:
    """Score one song, store its scores and draw it.

    Raises
    ------
    AudioError
        If the song cannot be read, or its vocals are silent.
    """
    stems = track.load()
    rate = stems.sample_rate
    window = round(settings.window * rate) if settings.window else None
    parts = sung_windows(stems.vocals, window)
    if not parts:
        raise AudioError("its vocals are silent, so there is nothing to score")
    key = key_of(track.subset, track.name)
    systems: dict[str, list[Row]] = {}
    medians: dict[str, dict[str, Row]] = {}
    drawn = {"mixture": stems.mixture, "true vocals": stems.vocals}
    # the slowest part of a score is the same for every system
    before = [bss_sdr(stems.vocals[p], stems.mixture[p]) for p in parts]
    for system, estimate in estimates(stems, [*settings.models]):
        systems[system] = [
            score(stems.vocals[p], estimate["vocals"][p], stems.mixture[p], sdr)
            for p, sdr in zip(parts, before, strict=True)
        ]
        if settings.bss_eval:
            medians[system] = store_bss_eval(stems, estimate, system, out, key)
        if system in settings.models:
            drawn[f"vocals by {system}"] = estimate["vocals"]
    loudest = loudest_part(stems.vocals, round(SECONDS * rate))
    draw_spectrograms(drawn, rate, loudest, out / PICTURES / f"{key}.png")
    scores = TrackScores(
        track.name, track.subset, asdict(settings),
        [p.start / rate for p in parts], [(p.stop - p.start) / rate for p in parts],
        systems, medians,
    )  # fmt: skip
    write_json(out / SCORES / f"{key}.json", asdict(scores))
    return scores


def store_bss_eval(
    stems: Stems, estimate: dict[str, Audio], system: str, out: Path, key: str
) -> dict[str, Row]:
    """Write museval's JSON file of one system and song; return medians over frames."""
    store = bss_eval(stems, estimate, key)
    if store is None:
        return {kind: dict.fromkeys(METRICS, float("nan")) for kind in TWO_STEMS}
    write_text(out / BSS_EVAL / Path(system).stem / f"{key}.json", store.json)
    return {
        target["name"]: {
            metric: median(float(frame["metrics"][metric]) for frame in target["frames"])
            for metric in METRICS
        }
        for target in store.scores["targets"]
    }


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all; characters that UTF-8 cannot hold are escaped."""
    write_whole(path, f"{text}\n".encode(errors="backslashreplace"))


def write_json(path: Path, figures: Any) -> None:
    """Write figures as JSON, with null in place of nan and infinity."""
    write_text(path, json.dumps(with_nulls(figures), indent=1, allow_nan=False))


def with_nulls(value: Any) -> Any:
    """Return dicts and lists with None in place of each number that is not finite."""
    if isinstance(value, dict):
        return {key: with_nulls(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [with_nulls(entry) for entry in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value

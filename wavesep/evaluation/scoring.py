"""Score the estimates of every system on one song against the true stems."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..audio import TWO_STEMS, Audio
from ..data.tracks import Stems
from ..dsp.scores import sdr, si_sdr
from ..errors import OptionError
from ..separator import Separator
from .oracles import binary_mask, ratio_mask

QUIET_DB = 20  # dB below the song's loudest window, from which a window does not count as sung
PERFECT_DB = 100  # above this, an estimate equals the stem but for rounding: no score
MIXTURE = "mixture"
ORACLES = {"binary mask": binary_mask, "ratio mask": ratio_mask}

Row = dict[str, float]
Estimates = dict[str, Audio]


@cache
def separator_of(model: str) -> Separator:
    """Return the separator of a model, which is loaded once in a process.

    Raises
    ------
    OptionError
        If the model does not separate vocals.
    ModelFileError
        If the model is missing, damaged or not a model of wavesep.
    """
    separator = Separator(model)
    if "vocals" not in separator.sources:
        raise OptionError(f"{model} does not separate vocals, only {', '.join(separator.sources)}")
    return separator


def estimates(stems: Stems, models: Sequence[str]) -> Iterator[tuple[str, Estimates]]:
    """Yield the name and the estimates of each system, one system in memory at a time.

    The first system uses the mixture as the estimate of both stems. Ideal masks and models follow.
    """
    yield MIXTURE, {"vocals": stems.mixture, "accompaniment": stems.mixture}
    for name, oracle in ORACLES.items():
        vocals = oracle(stems.vocals, stems.accompaniment)
        yield name, {"vocals": vocals, "accompaniment": stems.mixture - vocals}
    for model in models:
        vocals = separator_of(model).separate(stems.mixture, stems.sample_rate)["vocals"]
        yield model, {"vocals": vocals, "accompaniment": stems.mixture - vocals}


def sung_windows(vocals: Audio, window: int | None) -> list[slice]:
    """Return the windows with vocals: less than `QUIET_DB` dB quieter than the loudest.

    Parameters
    ----------
    vocals : float32 array, (samples, channels)
    window : int, optional
        Length in samples. Windows do not overlap, and an incomplete one at the end is dropped.
        Default: the whole song.
    """
    window = min(window or len(vocals), len(vocals))
    parts = [slice(i, i + window) for i in range(0, len(vocals) - window + 1, window)]
    power = [float(np.square(vocals[part]).mean()) for part in parts]
    return [
        part for part, p in zip(parts, power, strict=True) if p > max(power) / 10 ** (QUIET_DB / 10)
    ]


def loudest_part(vocals: Audio, samples: int) -> int:
    """Return the start of the loudest part of ``samples`` samples, to an eighth of its length."""
    power = np.square(vocals, dtype=np.float64).sum(axis=1)
    before = np.concatenate([[0.0], np.cumsum(power)])
    last = max(len(vocals) - samples, 0)
    starts = np.append(np.arange(0, last, max(samples // 8, 1)), last)
    ends = np.minimum(starts + samples, len(vocals))
    return int(starts[np.argmax(before[ends] - before[starts])])


def score(reference: Audio, estimate: Audio, mixture: Audio, mixture_sdr: float) -> Row:
    """Score an estimate of the vocals, in dB; gains are relative to the mixture.

    nan means that there is no score: the estimate is silent, or equals the vocals but for rounding.
    If the mixture equals the vocals, as in a song without accompaniment, all scores are nan.
    ``mixture_sdr`` is `bss_sdr` of the mixture.
    """
    ours, before = known(si_sdr(reference, estimate)), known(si_sdr(reference, mixture))
    gain = bss_sdr(reference, estimate) - mixture_sdr
    row = {
        "si_sdr": ours,
        "si_sdr_gain": ours - before,
        "sdr": known(sdr(reference, estimate)),
        "nsdr": float("nan") if np.isnan(before) else gain,
    }
    if np.isnan(known(sdr(reference, mixture))):
        return dict.fromkeys(row, float("nan"))
    return row


def known(score: float) -> float:
    """Return a score in dB, or nan if only rounding keeps it from being infinite."""
    return score if abs(score) < PERFECT_DB else float("nan")


def finite(scores: Iterable[float]) -> NDArray[np.float64]:
    """Return the scores that are finite."""
    values = np.array([*scores], np.float64)
    return values[np.isfinite(values)]


def median(scores: Iterable[float]) -> float:
    """Return the median of the finite scores; nan if there is none."""
    values = finite(scores)
    return float(np.median(values)) if len(values) else float("nan")


def bss_sdr(reference: Audio, estimate: Audio) -> float:
    """Return BSS Eval v3's SDR, which allows a filter of 512 taps; the mean of the channels.

    It is clamped to -100 to 100 dB, since the library cannot return infinity; nan for a silent
    estimate.
    """
    import fast_bss_eval  # which imports PyTorch if it is installed

    if not estimate.any():
        return float("nan")
    scores = [
        fast_bss_eval.sdr(
            ours[np.newaxis].astype(float), theirs[np.newaxis].astype(float), clamp_db=100
        )[0]
        for ours, theirs in zip(reference.T, estimate.T, strict=True)
        if ours.any()
    ]
    return float(np.mean(scores))


def check_bss_eval() -> None:
    """Check that museval is installed.

    Raises
    ------
    OptionError
        If it is not.
    """
    if importlib.util.find_spec("museval") is None:
        raise OptionError('BSS Eval v4 needs museval: pip install "wavesep[evaluate]"')


def bss_eval(stems: Stems, estimate: Estimates, name: str) -> Any | None:
    """Score both stems by BSS Eval v4 [1]_, in windows of one second.

    Returns
    -------
    museval.TrackStore or None
        None if museval has no score, as for a silent stem.

    References
    ----------
    .. [1] F.-R. Stöter, A. Liutkus and N. Ito, "The 2018 Signal Separation Evaluation Campaign",
       LVA/ICA 2018.
    """
    import museval

    references = [getattr(stems, kind) for kind in TWO_STEMS]
    rate = stems.sample_rate
    try:
        results = museval.evaluate(references, [estimate[k] for k in TWO_STEMS], win=rate, hop=rate)
    except (ValueError, IndexError, np.linalg.LinAlgError):
        return None
    store = museval.TrackStore(track_name=name)
    for i, kind in enumerate(TWO_STEMS):
        metrics = dict(zip(("SDR", "ISR", "SIR", "SAR"), results, strict=True))
        store.add_target(kind, {metric: values[i].tolist() for metric, values in metrics.items()})
    return store

"""What a person would rather look at: spectrograms of a song, box plots of all songs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import librosa
import numpy as np
from librosa.display import specshow
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..audio import Audio

SECONDS = 8.0  # of a song that is drawn
WINDOW, HOP = 2_048, 512
FLOOR = -70  # dB below the loudest that is drawn


def draw_spectrograms(
    sounds: Mapping[str, Audio], sample_rate: int, start: int, path: Path
) -> None:
    """Draw some seconds of several sounds, one below the other, on one scale.

    Parameters
    ----------
    sounds : dict of str to array, (samples, channels)
        By what is written beside them.
    sample_rate : int
        In Hz.
    start : int
        The first sample.
    path : Path
        Of the PNG; its folder is made where missing.
    """
    part = slice(start, start + round(SECONDS * sample_rate))
    magnitudes = {
        name: np.abs(librosa.stft(padded(audio[part]), n_fft=WINDOW, hop_length=HOP))
        for name, audio in sounds.items()
    }
    top = max(float(magnitude.max()) for magnitude in magnitudes.values()) or 1.0
    loudness = {
        name: librosa.amplitude_to_db(magnitude, ref=top, top_db=None)
        for name, magnitude in magnitudes.items()
    }
    draw_panels(loudness, sample_rate, start, path, vmin=FLOOR, vmax=0, cmap="magma")


def draw_masks(
    mixture: Audio, stems: Mapping[str, Audio], sample_rate: int, start: int, path: Path
) -> None:
    """Draw some seconds of a mixture and, below it, the share of it that each system takes.

    Parameters
    ----------
    mixture : array, (samples, channels)
    stems : dict of str to array, (samples, channels)
        What each system takes for one stem, by its name.
    sample_rate : int
        In Hz.
    start : int
        The first sample.
    path : Path
        Of the PNG; its folder is made where missing.
    """
    part = slice(start, start + round(SECONDS * sample_rate))
    whole = librosa.stft(padded(mixture[part]), n_fft=WINDOW, hop_length=HOP)
    loudness = librosa.amplitude_to_db(np.abs(whole), ref=np.max, top_db=-FLOOR)
    panels = {"mixture": (loudness + -FLOOR) / -FLOOR}
    floor = np.abs(whole).max() * 10 ** (FLOOR / 20)
    for name, stem in stems.items():
        ours = librosa.stft(padded(stem[part]), n_fft=WINDOW, hop_length=HOP)
        panels[name] = np.clip(np.abs(ours) / np.maximum(np.abs(whole), floor), 0, 1)
    draw_panels(panels, sample_rate, start, path, vmin=0, vmax=1, cmap="gray")


def draw_panels(
    panels: Mapping[str, NDArray[np.float32]],
    sample_rate: int,
    start: int,
    path: Path,
    **scale: Any,
) -> None:
    """Draw pictures of ``(bins, frames)`` on one scale, one below the other, into a PNG."""
    figure = Figure(figsize=(9, 1.9 * len(panels)), layout="constrained")
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for axis, (name, panel) in zip(axes, panels.items(), strict=True):
        specshow(
            panel, sr=sample_rate, hop_length=HOP, x_axis="time", y_axis="log", ax=axis, **scale
        )
        axis.set(xlabel="", ylabel="Hz")
        axis.set_title(name, loc="left", fontsize=9)
    axes[-1].set(xlabel=f"seconds after {start / sample_rate:.0f} s")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=80)


def padded(audio: Audio) -> Audio:
    """Return the mean of all channels, long enough for one window."""
    mono = audio.mean(axis=1)
    return np.pad(mono, (0, max(WINDOW - len(mono), 0)))


def draw_boxes(scores: Mapping[str, Sequence[float]], title: str, path: Path) -> None:
    """Draw a box of each system's scores over all songs, and each song as a dot.

    Parameters
    ----------
    scores : dict of str to sequence of float
        In dB, by the system.
    title : str
    path : Path
        Of the PNG.
    """
    figure = Figure(figsize=(9, 1 + 0.5 * len(scores)), layout="constrained")
    axis = figure.subplots()
    values = [[v for v in scores[name] if np.isfinite(v)] for name in scores]
    axis.boxplot(
        values, orientation="horizontal", tick_labels=list(scores), showfliers=False,
        medianprops={"color": "black"},
    )  # fmt: skip
    rng = np.random.default_rng(0)
    for place, dots in enumerate(values, 1):
        axis.plot(dots, place + rng.uniform(-0.15, 0.15, len(dots)), ".", alpha=0.5, markersize=4)
    axis.invert_yaxis()
    axis.grid(axis="x", alpha=0.3)
    axis.set(xlabel="dB", title=title)
    figure.savefig(path, dpi=80)

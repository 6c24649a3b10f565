"""Pictures of an evaluation: spectrograms of a song, box plots of all songs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ..audio import Audio
from ..dsp.mel import power_to_db
from ..pictures import DPI, WIDTH, draw_loudness, draw_panels, mel_power

SECONDS = 8.0  # of a song that is drawn
FLOOR = -70  # dB relative to the loudest: the quietest level that is drawn


def draw_spectrograms(
    sounds: Mapping[str, Audio], sample_rate: int, start: int, path: Path
) -> None:
    """Draw some seconds of several sounds as mel spectrograms, one below the other, on one scale.

    Parameters
    ----------
    sounds : dict of str to array, (samples, channels)
        The keys are the titles of the panels.
    sample_rate : int
        In Hz.
    start : int
        The first sample.
    path : Path
        The PNG file. Its folder is made if it is missing.
    """
    part = slice(start, start + round(SECONDS * sample_rate))
    powers = {name: mel_power(audio[part], sample_rate) for name, audio in sounds.items()}
    top = max(float(power.max()) for power in powers.values()) or 1.0
    title = f"from {start / sample_rate:.0f} s on"
    save(draw_loudness(powers, sample_rate, title, top, FLOOR), path)


def draw_masks(
    mixture: Audio, stems: Mapping[str, Audio], sample_rate: int, start: int, path: Path
) -> None:
    """Draw some seconds of a mixture and, below it, the mask of each system.

    Parameters
    ----------
    mixture : array, (samples, channels)
    stems : dict of str to array, (samples, channels)
        The estimate of one stem by each system.
    sample_rate : int
        In Hz.
    start : int
        The first sample.
    path : Path
        The PNG file. Its folder is made if it is missing.
    """
    part = slice(start, start + round(SECONDS * sample_rate))
    whole = mel_power(mixture[part], sample_rate)
    whole = np.maximum(whole, whole.max() * 10 ** (FLOOR / 10))
    panels = {"mixture": 1 - power_to_db(whole / whole.max()) / np.float32(FLOOR)}
    for name, stem in stems.items():
        panels[name] = np.clip(np.sqrt(mel_power(stem[part], sample_rate) / whole), 0, 1)
    title = f"from {start / sample_rate:.0f} s on"
    save(draw_panels(panels, sample_rate, title, vmin=0, vmax=1, cmap="gray"), path)


def save(figure: Figure, path: Path) -> None:
    """Write a picture as a PNG file; make its folder if it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=DPI)


def draw_boxes(scores: Mapping[str, Sequence[float]], title: str, path: Path) -> None:
    """Draw a box plot of each system's scores, and each score as a dot.

    Parameters
    ----------
    scores : dict of str to sequence of float
        Scores of each system, in dB.
    title : str
    path : Path
        The PNG file.
    """
    figure = Figure(figsize=(WIDTH, 1 + 0.5 * len(scores)), layout="constrained")
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
    save(figure, path)

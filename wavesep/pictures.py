"""Mel spectrograms, and pictures of them one below the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import librosa
import numpy as np
from librosa.display import specshow
from matplotlib.figure import Figure
from numpy.typing import NDArray

WIDTH, PANEL = 9.0, 1.9  # inches: the width of a picture and the height of each panel
DPI = 80

Panel = NDArray[np.float32]


def mel_power(audio: NDArray[np.float32], sample_rate: int) -> Panel:
    """Return the mel power spectrogram of the mean of all channels.

    Parameters
    ----------
    audio : float32 array, (samples, channels)
    sample_rate : int
        In Hz.

    Returns
    -------
    float32 array, (128, frames)
    """
    window = 4 * mel_hop(sample_rate)
    mono = audio.mean(axis=1)
    mono = np.pad(mono, (0, max(window - len(mono), 0)))
    power: Panel = librosa.feature.melspectrogram(
        y=mono, sr=sample_rate, n_fft=window, hop_length=window // 4
    )
    return power


def mel_hop(sample_rate: int) -> int:
    """Return the hop in samples: 512 at 44.1 kHz, about the same duration at other rates."""
    return int(2 ** round(np.log2(512 * sample_rate / 44_100)))


def draw_loudness(
    powers: Mapping[str, Panel], sample_rate: int, title: str, top: float, floor_db: int
) -> Figure:
    """Draw mel power spectrograms in dB, one below the other.

    Parameters
    ----------
    powers : dict of str to array, (128, frames)
        The keys are the titles of the panels; see `mel_power`.
    sample_rate : int
        In Hz.
    title : str
    top : float, > 0
        The power of the brightest colour.
    floor_db : int, < 0
        The level of the darkest colour, in dB relative to ``top``.
    """
    decibels = {
        name: librosa.power_to_db(power, ref=top, top_db=None) for name, power in powers.items()
    }
    title = f"{title}, {floor_db} to 0 dB"
    return draw_panels(decibels, sample_rate, title, vmin=floor_db, vmax=0, cmap="magma")


def draw_panels(panels: Mapping[str, Panel], sample_rate: int, title: str, **scale: Any) -> Figure:
    """Draw pictures of ``(mel bands, frames)`` on one scale, one below the other.

    Parameters
    ----------
    panels : dict of str to array
        The keys are the titles of the panels.
    sample_rate : int
        In Hz.
    title : str
    **scale
        ``vmin``, ``vmax`` and ``cmap`` of matplotlib.
    """
    height = PANEL * len(panels) + 0.5
    figure = Figure(figsize=(WIDTH, height))
    figure.suptitle(title, y=1 - 0.08 / height, fontsize=10)
    axes = figure.subplots(
        len(panels), 1, sharex=True, squeeze=False,
        # matplotlib's automatic layout takes as long as the drawing
        gridspec_kw={
            "left": 0.09, "right": 0.98, "bottom": 0.5 / height, "top": 1 - 0.45 / height,
            "hspace": 0.25,
        },
    )[:, 0]  # fmt: skip
    for axis, (name, panel) in zip(axes, panels.items(), strict=True):
        specshow(
            panel, sr=sample_rate, hop_length=mel_hop(sample_rate), x_axis="time", y_axis="mel",
            ax=axis, **scale,
        )  # fmt: skip
        axis.set(xlabel="", ylabel="Hz")
        axis.set_title(name, loc="left", fontsize=9)
    axes[-1].set(xlabel="seconds")
    return figure

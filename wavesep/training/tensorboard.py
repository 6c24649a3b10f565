"""Write a run's data for TensorBoard. Only this module uses TensorFlow itself."""

from __future__ import annotations

import io
import logging
from importlib import import_module, util
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..audio import Audio
from ..pictures import DPI, draw_loudness, mel_power

CLIPS = 4  # validation clips that are shown, spread over all of them
FLOOR_DB = -80  # lowest level in pictures, relative to the mixture's peak

log = logging.getLogger(__name__)


class Shown(Protocol):
    """Clips that a board can show: `Validation`."""

    names: list[str]
    sample_rate: int
    targets: Audio

    def mixture(self, index: int) -> Audio:
        """Return one mixture, as long as its target."""
        ...

    def split(self, audio: Audio) -> list[Audio]:
        """Split targets that are concatenated along the last axis."""
        ...


def open_board(folder: Path, settings: dict[str, Any]) -> Board | None:
    """Return a board; if TensorFlow is not installed, log a warning and return None."""
    if util.find_spec("tensorflow") is None:
        log.warning("TensorFlow is not installed: training continues without TensorBoard")
        return None
    return Board(folder, settings)


class Board:
    """Writes the scores, sounds and pictures of a run for TensorBoard.

    Parameters
    ----------
    folder : Path
        Of the event files. A resumed run adds a file.
    settings : dict
        The run's hyperparameters, shown under HParams.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self._summary: Any = import_module("tensorflow").summary
        self._writer = self._summary.create_file_writer(str(folder))
        hparams = import_module("tensorboard.plugins.hparams.api")
        with self._writer.as_default():
            hparams.hparams(
                {k: v if isinstance(v, (int, float)) else str(v) for k, v in settings.items()}
            )

    def write(self, epoch: int, scalars: dict[str, float]) -> None:
        """Write the numbers of an epoch, by their names."""
        with self._writer.as_default(step=epoch):
            for name, value in scalars.items():
                self._summary.scalar(name, value)
        self._writer.flush()

    def show(self, epoch: int, validation: Shown, estimates: Audio) -> None:
        """Write sounds and pictures of some clips.

        Parameters
        ----------
        epoch : int
        validation : Shown
        estimates : float32 array, (snippets, samples, channels * targets)
            Of the validation's mixtures.
        """
        count = len(validation.names)
        with self._writer.as_default(step=epoch):
            for i in sorted({round(k * (count - 1) / (CLIPS - 1)) for k in range(CLIPS)}):
                name = validation.names[i]
                panels = name_panels(validation, i, estimates[i])
                for panel, audio in panels.items():
                    if panel.startswith("estimate") or epoch == 0:  # the others never change
                        sound = np.clip(audio[np.newaxis], -1, 1)
                        self._summary.audio(f"{name}/{panel}", sound, validation.sample_rate)
                picture = draw_spectrograms(panels, validation.sample_rate, name)
                self._summary.image(f"{name}/spectrograms", picture[np.newaxis])
        self._writer.flush()


def name_panels(validation: Shown, index: int, estimate: Audio) -> dict[str, Audio]:
    """Return the sounds of a clip: its mixture, then each target and its estimate.

    Several targets are numbered from 1, in the order of the stems.
    """
    panels = {"mixture": validation.mixture(index)}
    targets, estimates = validation.split(validation.targets[index]), validation.split(estimate)
    for i, (true, given) in enumerate(zip(targets, estimates, strict=True), 1):
        number = f" {i}" if len(targets) > 1 else ""
        panels |= {f"target{number}": true, f"estimate{number}": given}
    return panels


def draw_spectrograms(panels: dict[str, Audio], sample_rate: int, title: str) -> NDArray[np.uint8]:
    """Draw the mel spectrograms of mixture, targets and estimates, one above the other.

    Parameters
    ----------
    panels : dict of str to float32 array, (samples, channels)
        Sounds by their names; one is "mixture".
    sample_rate : int
        In Hz.
    title : str

    Returns
    -------
    uint8 array, (height, width, 4)
    """
    powers = {name: mel_power(audio, sample_rate) for name, audio in panels.items()}
    # above zero, so that its logarithm is finite if the mixture is silent
    reference = max(float(powers["mixture"].max()), 1e-10)
    figure = draw_loudness(powers, sample_rate, title, reference, FLOOR_DB)
    file = io.BytesIO()
    figure.savefig(file, format="rgba", dpi=DPI)
    width, height = (round(inches * DPI) for inches in figure.get_size_inches())
    return np.frombuffer(file.getvalue(), dtype=np.uint8).reshape(height, width, 4)

"""Labels of vocal activity, and examples for the network that learns it."""

from __future__ import annotations

import csv
import os
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from ..errors import AudioError
from ..models.frame_cnn.architecture import ActivityArchitecture
from . import augment
from .clips import Clips, pairs
from .mixes import Augmentation, without_broken

LABEL_SECONDS = 0.02  # of sound that a label describes

Labels = dict[str, NDArray[np.bool_]]


def read_labels(path: str | os.PathLike[str], subset: str | None = None) -> Labels:
    """Read the labels of MIR-1K: for each clip, whether somebody sings, every 20 ms.

    Parameters
    ----------
    path : path
        A CSV file with the columns "clip" and "vocal_activity", a 0 or 1 for each label. With
        ``subset``, it also needs the column "split".
    subset : str, optional
        Read only the clips of this split.

    Returns
    -------
    dict of str to bool array
        By clip.

    Raises
    ------
    AudioError
        If the file cannot be read or lacks one of the first two columns.
    """
    try:
        with Path(path).open(newline="", encoding="utf-8") as file:
            return {
                row["clip"]: np.array([value == "1" for value in row["vocal_activity"]])
                for row in csv.DictReader(file)
                if subset in (None, row.get("split"))
            }
    except (OSError, KeyError, UnicodeDecodeError) as error:
        raise AudioError(
            f"{path} cannot be read: it must be a CSV file with clip and vocal_activity"
        ) from error


def label_at(labels: NDArray[np.bool_], seconds: float) -> bool:
    """Return the label at a time in seconds; False if there is none."""
    index = int(seconds / LABEL_SECONDS)
    return bool(labels[index]) if 0 <= index < len(labels) else False


class ActivityExamples(keras.utils.PyDataset):
    """Windows of the spectra of mixtures, and whether somebody sings in the middle of each.

    Half of the mixtures are the clip itself. In the others, its vocals are mixed with the
    accompaniment of any clip. Example k of batch i of epoch e is a pure function of
    ``(seed, e, i, k)`` and of the files. If a clip cannot be read, others are drawn: see
    `MixGenerator`.

    Parameters
    ----------
    vocals, accompaniment : Clips
    labels : dict of str to bool array
        By clip. Only vocals with labels are used.
    architecture : ActivityArchitecture
    sample_rate : int
        In Hz, of the network.
    batch_size : int
        Windows in a batch.
    batches : int
        Batches in an epoch.
    augmentation : Augmentation, optional
        Only its speed, gain and equaliser are used. The two stems of a clip have the same speed.
    seed : int
        The same seed gives the same batches.

    Attributes
    ----------
    epoch : int
        The epoch of the batches; `wavesep.training.fit` sets it.
    rows : range
        The examples of each batch that are made; see `MixGenerator`.

    Raises
    ------
    AudioError
        If no clip with labels has both stems.
    """

    def __init__(
        self,
        vocals: Clips,
        accompaniment: Clips,
        *,
        labels: Labels,
        architecture: ActivityArchitecture,
        sample_rate: int = 22_050,
        batch_size: int = 64,
        batches: int = 100,
        augmentation: Augmentation | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(workers=1)
        self.vocals = vocals
        self.accompaniment = accompaniment
        self.labels = labels
        self.pairs = [
            (i, j) for i, j in pairs(vocals, accompaniment) if Path(vocals.names[i]).name in labels
        ]
        if not self.pairs:
            raise AudioError("no clip with labels has both stems: they must have the same name")
        self.stft = architecture.stft
        self.samples = architecture.samples_of(architecture.frames)
        self.sample_rate = sample_rate
        self.batch_size = batch_size
        self.batches = batches
        self.augmentation = augmentation or Augmentation()
        self.seed = seed
        self.epoch = 0
        self.rows = range(batch_size)

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return self.batches

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return batch ``index`` of the epoch: ``(rows, bins, frames)`` and ``(rows, 1)``."""
        examples = [self.example(self.epoch, index, k) for k in self.rows]
        sounds = np.stack([sound for sound, _ in examples])
        sung = np.array([[sung] for _, sung in examples], np.float32)
        return np.abs(self.stft.analyse(sounds)), sung

    def example(self, epoch: int, index: int, k: int) -> tuple[NDArray[np.float32], bool]:
        """Return one mixture, ``(samples,)``, and whether somebody sings in its middle.

        Raises
        ------
        AudioError
            If no clip with labels can be read.
        """
        rng = np.random.default_rng((self.seed, epoch, index, k))
        return without_broken(lambda broken: self._draw(rng, broken))

    def report(self) -> str:
        """Return a line about the data for the log."""
        return f"{len(self.pairs)} clips have labels and both stems"

    def _draw(
        self, rng: np.random.Generator, broken: Collection[Path]
    ) -> tuple[NDArray[np.float32], bool]:
        whole = [pair for pair in self.pairs if not self._is_broken(*pair, broken)]
        if not whole:
            raise AudioError("no clip with labels has two stems that can be read: see the log")
        i, j = whole[rng.integers(len(whole))]
        middle = rng.uniform(0, self.vocals.seconds[i])
        speed = augment.log_uniform(rng, *self.augmentation.speed)
        vocals = self._read(self.vocals, i, middle, speed, rng)
        place = middle
        if rng.random() < 0.5:
            j = self.accompaniment.draw(rng, broken)
            place = rng.uniform(0, self.accompaniment.seconds[j])
            speed = augment.log_uniform(rng, *self.augmentation.speed)
        accompaniment = self._read(self.accompaniment, j, place, speed, rng)
        sung = label_at(self.labels[Path(self.vocals.names[i]).name], middle)
        return vocals + accompaniment, sung

    def _is_broken(self, i: int, j: int, broken: Collection[Path]) -> bool:
        return self.vocals.paths[i] in broken or self.accompaniment.paths[j] in broken

    def _read(
        self, clips: Clips, index: int, middle: float, speed: float, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Read a snippet around a time, and augment it."""
        a = self.augmentation
        start = middle - self.samples / self.sample_rate / 2 * speed
        audio = clips.read(index, start, self.samples, self.sample_rate, 1, speed)
        audio = augment.gain(audio, rng, -a.gain_db, a.gain_db)
        if rng.random() < a.equalise:
            audio = augment.equalise(audio, rng, a.equalise_db, self.sample_rate)
        return audio[:, 0]

    def settings(self) -> dict[str, Any]:
        """Return the settings that determine the batches, for a checkpoint."""
        names = ("samples", "sample_rate", "batch_size", "batches", "seed")
        settings = {name: getattr(self, name) for name in names}
        return settings | {"augmentation": asdict(self.augmentation)}

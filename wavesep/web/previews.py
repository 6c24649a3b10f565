"""Stems that can be played and drawn while they grow.

Each stem has a file of 16-bit samples, ``SOURCE.pcm``, little-endian with interleaved channels,
and a file of its peaks, ``SOURCE.peaks``: for every `PEAK` samples, the smallest and the largest
sample of all channels as two signed bytes. Both only grow, so whatever can be read is right.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import IO, Self

import numpy as np
from numpy.typing import NDArray

from ..audio import Audio

PEAK = 1_024  # samples of each peak
FULL = 32_767  # a sample of 1.0 as 16-bit integer
PEAK_FULL = 127  # and as a byte


class Preview:
    """Writes the preview of the stems of one job.

    Parameters
    ----------
    folder : Path
        It exists.
    sources : sequence of str
    """

    def __init__(self, folder: Path, sources: tuple[str, ...]) -> None:
        self._folder = folder
        self._sources = sources
        self._files: dict[str, tuple[IO[bytes], IO[bytes]]] = {}
        self._rest: dict[str, Audio] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Create the files."""
        with ExitStack() as stack:
            for source in self._sources:
                pcm, peaks = (
                    stack.enter_context((self._folder / f"{source}.{kind}").open("wb", buffering=0))
                    for kind in ("pcm", "peaks")
                )
                self._files[source] = (pcm, peaks)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Close the files."""
        self._stack.close()

    def write(self, stems: dict[str, Audio]) -> None:
        """Append a block of every stem, ``(samples, channels)``."""
        for source, (pcm, peaks) in self._files.items():
            pcm.write(to_pcm(stems[source]))
            block = stems[source]
            if source in self._rest:
                block = np.concatenate([self._rest[source], block])
            whole = len(block) // PEAK * PEAK
            peaks.write(peaks_of(block[:whole]))
            self._rest[source] = block[whole:]

    def finish(self) -> None:
        """Write the last peak, of fewer samples."""
        for source, rest in self._rest.items():
            if len(rest):
                self._files[source][1].write(peaks_of(rest))
        self._rest = {}


def to_pcm(audio: Audio) -> bytes:
    """Convert samples to 16-bit integers; what exceeds full scale is clipped."""
    return np.round(np.clip(audio, -1, 1) * FULL).astype("<i2").tobytes()


def peaks_of(audio: Audio) -> bytes:
    """Return the smallest and the largest sample of every `PEAK` samples, as signed bytes."""
    if not len(audio):
        return b""
    size = min(PEAK, len(audio)) * audio.shape[1]
    pieces: NDArray[np.float32] = np.clip(audio, -1, 1).reshape(-1, size)
    lowest, highest = np.floor(pieces.min(1) * PEAK_FULL), np.ceil(pieces.max(1) * PEAK_FULL)
    return np.stack([lowest, highest], axis=1).astype(np.int8).tobytes()

"""Change recorded voices: move the formants, the breath noise and the octave.

    python data_prep/change_voices.py changed --vocals singers/vocals

makes changed/train/vocals, with a mono file of the same name for every recording. The changed voice
keeps its time and its key, so it still fits its accompaniment. ``link_folders.py`` combines the
two. To continue, run the same command again. For other voices, use another --seed and another
folder. changed/skipped.csv lists the recordings that could not be changed, and why.

The vocoder WORLD analyses pitch, spectral envelope and noise, and synthesises the changed voice: M.
Morise, F. Yokomori and K. Ozawa, "WORLD: A Vocoder-Based High-Quality Speech Synthesis System for
Real-Time Applications", IEICE Transactions on Information and Systems, 2016.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

import numpy as np
from extras import extra
from numpy.typing import NDArray
from preparing import Song, Sound, add_options, prepare

from wavesep.audio.read import read_audio
from wavesep.data.augment import log_uniform
from wavesep.data.clips import find_audio
from wavesep.errors import AudioError

with extra():
    import pyworld

PITCHES = (65.0, 900.0)  # range of the pitch search, in Hz
SUNG = (85.0, 520.0)  # range of the changed voice's median pitch, in Hz
# range of the formants' factor, by the factor of the pitch
FORMANTS = {0.5: (0.77, 1.0), 1.0: (0.8, 1.25), 2.0: (1.0, 1.3)}
BREATH = (0.6, 1.8)  # range of the exponent of the noise's share; below 1, there is more noise

Frames = NDArray[np.float64]


def main() -> int:
    """Read the command line, change the voices, return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser)
    parser.add_argument("--vocals", type=Path, required=True, metavar="FOLDER")
    parser.add_argument(
        "--licence", default="not stated", help="licence of the files (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of the random changes (default: %(default)s)"
    )
    args = parser.parse_args()
    try:
        found = find_audio(args.vocals)
    except AudioError as error:
        parser.error(str(error))
    if not found:
        parser.error(f"no audio file is in {args.vocals}")
    source = f"{args.vocals.name}, changed by WORLD, seed {args.seed}"
    songs = [
        Song(name, "train", source, args.licence,
             partial(read_changed, path, (args.seed, *name.encode())), ("vocals",))
        for name, path in found.items()
    ]  # fmt: skip
    return prepare(songs, args.out, args.jobs)


def read_changed(path: Path, seed: tuple[int, ...]) -> dict[str, Sound]:
    """Read a recording and change its voice.

    Raises
    ------
    AudioError
        If it cannot be read, or nobody sings in it.
    """
    audio, rate = read_audio(path)
    voice = audio.mean(axis=1, dtype=np.float64)
    pitch, times = pyworld.dio(voice, rate, *PITCHES)
    pitch = pyworld.stonemask(voice, pitch, times, rate)
    if not pitch.any():
        raise AudioError(f"nobody sings in {path}")
    envelope = pyworld.cheaptrick(voice, pitch, times, rate)
    noise = pyworld.d4c(voice, pitch, times, rate)

    rng = np.random.default_rng(seed)
    octave = draw_octave(float(np.median(pitch[pitch > 0])), rng)
    formants = log_uniform(rng, *FORMANTS[octave])
    changed = pyworld.synthesize(
        pitch * octave,
        np.exp(stretched(np.log(envelope), formants)),
        stretched(noise, formants) ** log_uniform(rng, *BREATH),
        rate,
    )[: len(voice)]
    changed *= np.sqrt(np.square(voice).sum() / np.square(changed).sum())
    changed = np.pad(changed, (0, len(voice) - len(changed)))
    return {"vocals": (changed[:, None].astype(np.float32), rate)}


def draw_octave(middle: float, rng: np.random.Generator) -> float:
    """Draw a factor for the pitch: 0.5, 1 or 2; ``middle`` is the median pitch in Hz."""
    low, high = SUNG
    possible = [octave for octave in FORMANTS if low <= middle * octave <= high]
    return float(rng.choice(possible or [1.0]))


def stretched(spectra: Frames, factor: float) -> Frames:
    """Move the content of spectra, ``(frames, frequencies)``, to ``factor`` times the frequency."""
    places = np.arange(spectra.shape[1])
    return np.array([np.interp(places / factor, places, frame) for frame in spectra])


if __name__ == "__main__":
    sys.exit(main())

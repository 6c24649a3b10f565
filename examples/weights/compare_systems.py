"""Compare every system that comes with wavesep on songs whose stems are known.

    python examples/weights/compare_systems.py MIR1K/valid --songs EIF/valid

Prints one table: for each system its parameters, the gain of SI-SDR over the mixture on the clips
and, in windows of 10 s, on the songs, its speed over real time, its context, and the latency of its
streams. The ideal masks are in the table, too. Run the same command again to continue a stopped
run.
"""

import argparse
import statistics
import time
from pathlib import Path

import wavesep
from wavesep.audio import Audio
from wavesep.audio.read import read_audio
from wavesep.data.tracks import find_tracks
from wavesep.evaluation import Settings, evaluate, summarise
from wavesep.evaluation.pictures import SECONDS as DRAWN
from wavesep.evaluation.pictures import draw_masks
from wavesep.evaluation.scoring import separator_of
from wavesep.systems.tree import read_models

COMBINED = ["wavenet:speeds", "wavenet:wiener", "wavenet+unet"]
WINDOW = 10.0  # seconds, of songs
SECONDS = 20  # of a song that is timed
PICTURE_START = 12.0  # seconds into the song that is drawn


def gains(folder: Path, systems: list[str], window: float | None, out: Path) -> dict[str, float]:
    """Return the mean gain of each system on a folder, in dB."""
    settings = Settings.of(systems, window)
    scores, failures = evaluate(
        find_tracks(folder), settings, out,
        progress=lambda done: print(".", end="", flush=True),
    )  # fmt: skip
    print()
    for song, reason in failures.items():
        print(f"{song}: {reason}")
    return {system: row["si_sdr_gain"] for system, row in summarise(scores).items()}


def times_real_time(
    separators: dict[str, wavesep.Separator], mixture: Audio, rate: int
) -> dict[str, float]:
    """Return the speed of each over real time: the median of rounds, taken in turn."""
    seconds: dict[str, list[float]] = {system: [] for system in separators}
    for _ in range(args.rounds):
        for system, separator in separators.items():
            begin = time.perf_counter()
            separator.separate(mixture, rate)
            seconds[system].append(time.perf_counter() - begin)
    return {s: len(mixture) / rate / statistics.median(times) for s, times in seconds.items()}


def row(system: str, separator: wavesep.Separator) -> list[str]:
    """Return the parameters, the context and the latency of a system."""
    parameters = sum(file.parameters for file in read_models(system))
    rate = separator.sample_rate
    around = (separator.left_context + separator.right_context) / rate
    latency = separator.stream(rate).latency / rate
    return [f"{parameters:,}", f"{around:.2f} s", f"{latency:.2f} s"]


def decibels(value: float) -> str:
    """Return a gain as text, with 0.00 in place of -0.00."""
    return f"{round(value, 2) + 0.0:.2f} dB"


def print_table(rows: list[list[str]]) -> None:
    """Print rows as a table of reStructuredText."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    rule = "  ".join("=" * width for width in widths)
    lines = ["  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip() for r in rows]
    print("\n".join([rule, lines[0], rule, *lines[1:], rule]))


parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("clips", type=Path, help="folder of clips, scored whole")
parser.add_argument("--songs", type=Path, metavar="FOLDER", help="scored in windows of 10 s")
parser.add_argument("--out", type=Path, default=Path("comparison"))
parser.add_argument(
    "--picture", nargs=2, metavar=("SONG", "PNG"), help="draw each system's masks of a song"
)
parser.add_argument("--rounds", type=int, default=3, help="rounds of timing (default: %(default)s)")
args = parser.parse_args()

ready = [n for n, m in wavesep.list_models().items() if m.ships and n != "vocal_activity"]
systems = [*ready, *COMBINED]
separators = {system: separator_of(system) for system in systems}  # also used for the scores
on_clips = gains(args.clips, systems, None, args.out / "clips")
on_songs = gains(args.songs, systems, WINDOW, args.out / "songs") if args.songs else {}

song = find_tracks(args.songs or args.clips)[0].load()
mixture = song.mixture[: SECONDS * song.sample_rate]
speed = times_real_time(separators, mixture, song.sample_rate)
rows = [["system", "parameters", "clips", "songs", "speed", "context", "latency"]]
for system, gain in on_clips.items():
    parameters, around, latency, fast = ["-"] * 4
    if system in separators:
        parameters, around, latency = row(system, separators[system])
        fast = f"{speed[system]:.3g} x"
    scored = [decibels(gain), decibels(on_songs[system]) if on_songs else "-"]
    rows.append([system, parameters, *scored, fast, around, latency])
print_table(rows)

if args.picture:
    audio, rate = read_audio(args.picture[0])
    stems = {name: s.separate(audio, rate)["vocals"] for name, s in separators.items()}
    start = min(round(PICTURE_START * rate), max(0, len(audio) - round(DRAWN * rate)))
    draw_masks(audio, stems, rate, start, Path(args.picture[1]))
    print(f"drawn: {args.picture[1]}")

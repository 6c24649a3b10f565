"""Time and peak memory of whole processes."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import soundfile

from .timing import RATE, Row, alternate, median, noise

MINUTES = (1, 4, 16)  # lengths of songs
# runs the command line and prints its peak resident memory, in bytes, as the last line; on Linux,
# ru_maxrss counts the memory of the process that started this one, too
PEAK = """
import resource, sys
from wavesep.bench.memory import memory_of
from wavesep.cli import main
assert main(sys.argv[1:]) == 0
if sys.platform == "linux":
    print(memory_of("self"))
else:
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
"""


def start_up(model: str, device: str) -> list[Row]:
    """Time whole processes, from start to end."""
    with tempfile.TemporaryDirectory() as folder:
        song = write_song(Path(folder), 10)
        separate = ["-m", "wavesep", *separation(song, Path(folder), model, device)]
        commands = {
            "import wavesep": ["-c", "import wavesep"],
            "wavesep --version": ["-m", "wavesep", "--version"],
            "wavesep separate, 10 s": separate,
            "wavesep separate, 10 s, Keras": [*separate, "--engine", "keras"],
        }
        functions = {name: partial(run, command) for name, command in commands.items()}
        for function in functions.values():
            function()
        times = alternate(functions)
    return [{"process": name, "seconds": median(times, name)} for name in commands]


def peak_memory(model: str, device: str) -> list[Row]:
    """Measure the peak memory of ``wavesep separate`` by the length of the song."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for minutes in MINUTES:
            song = write_song(Path(folder), 60 * minutes)
            peak = separation_peak(song, Path(folder), model, device)
            rows.append({"song minutes": minutes, "peak MB": peak / 1e6})
    return rows


def separation_peak(song: Path, out: Path, model: str, device: str = "cpu") -> int:
    """Return the peak resident memory of ``wavesep separate``, in bytes."""
    return int(run(["-c", PEAK, *separation(song, out, model, device)]).split()[-1])


def separation(song: Path, out: Path, model: str, device: str) -> list[str]:
    """Return the arguments of wavesep that separate a song."""
    options = ["-o", str(out), "--overwrite", "--model", model, "--device", device]
    return ["separate", str(song), *options]


def run(arguments: list[str]) -> str:
    """Run Python, wait for its end and return its output."""
    command = [sys.executable, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def write_song(folder: Path, seconds: int) -> Path:
    """Write noise to a 16-bit WAV file."""
    path = folder / "song.wav"
    with soundfile.SoundFile(path, "w", RATE, 2, "PCM_16") as file:
        second = noise(RATE)
        for _ in range(seconds):
            file.write(second)
    return path

"""What the tests of data_prep/ share: sounds, files of them, and the scripts run on them."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile

from wavesep.audio import Audio
from wavesep.data.manifest import Entry, read_manifest

DATA_PREP = Path(__file__).parents[2] / "data_prep"
RATE = 22_050


def sound(seconds: float, seed: int, channels: int = 2) -> Audio:
    rng = np.random.default_rng(seed)
    return rng.uniform(-0.3, 0.3, (round(seconds * RATE), channels)).astype(np.float32)


def write(path: Path, audio: Audio, rate: int = RATE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    # of wav files, floats: they hold what is louder than full scale
    subtype = "FLOAT" if path.suffix == ".wav" else None
    soundfile.write(path, audio, rate, subtype=subtype)
    return path


def run(script: str, *arguments: object, code: int = 0) -> str:
    answer = subprocess.run(
        [sys.executable, str(DATA_PREP / script), *map(str, arguments)],
        capture_output=True, text=True, env=os.environ | {"COLUMNS": "200"},
    )  # fmt: skip
    assert answer.returncode == code, answer.stderr
    return answer.stdout + answer.stderr


def by_path(folder: Path) -> dict[str, Entry]:
    return {entry.path: entry for entry in read_manifest(folder)}


def skipped(folder: Path) -> dict[str, str]:
    with (folder / "skipped.csv").open(encoding="utf-8") as file:
        return {row["song"]: row["reason"] for row in csv.DictReader(file)}

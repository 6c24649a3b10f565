"""What the tests of data_prep/ share: sounds, files of them, and the scripts run on them."""

from __future__ import annotations

import contextlib
import csv
import importlib
import io
import pickle
import sys
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from numpy.typing import NDArray

from wavesep.audio import Audio
from wavesep.data.manifest import Entry, read_manifest
from wavesep.dsp.pitch import hertz_to_key, track_f0

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


class Here(Executor):
    """Runs each job at once, in this process; pickles it and its result as a pool would."""

    def __init__(self, *options: object) -> None:
        pass

    def submit(self, job: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        job, args = pickle.loads(pickle.dumps((job, args)))
        try:
            future.set_result(pickle.loads(pickle.dumps(job(*args, **kwargs))))
        except Exception as error:
            future.set_exception(error)
        return future


def run(script: str, *arguments: object, code: int = 0) -> str:
    """Run a script in this process, which has loaded most of what the script imports."""
    sys.path[:0] = [] if str(DATA_PREP) in sys.path else [str(DATA_PREP)]
    modules = [importlib.import_module(name) for name in (script.removesuffix(".py"), "preparing")]
    out, errors = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(errors),
    ):
        patch.setattr(sys, "argv", [script, *map(str, arguments)])
        patch.setenv("COLUMNS", "200")
        for module in modules:
            patch.setattr(module, "ProcessPoolExecutor", Here, raising=False)
        try:
            answer = modules[0].main()
        except SystemExit as end:  # of the parser
            answer = end.code
    assert answer == code, errors.getvalue()
    return out.getvalue() + errors.getvalue()


def keys_sung(audio: NDArray[np.float32], rate: int, highest: float) -> NDArray[np.float64]:
    """Return the MIDI key that is sung at each hundredth of a second; nan where there is none."""
    window, hop, common = 1_024, 160, 16_000
    heard = soxr.resample(audio, rate, common)
    f0, _ = track_f0(
        np.pad(heard, window // 2), common, window, hop, lowest=80, highest=highest, resolution=0.1
    )
    return hertz_to_key(f0)


def by_path(folder: Path) -> dict[str, Entry]:
    return {entry.path: entry for entry in read_manifest(folder)}


def skipped(folder: Path) -> dict[str, str]:
    with (folder / "skipped.csv").open(encoding="utf-8") as file:
        return {row["song"]: row["reason"] for row in csv.DictReader(file)}

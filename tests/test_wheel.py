"""A wheel has everything that separating needs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).parents[1]
MOST_BYTES = 16_000_000


def python(*arguments: object, cwd: Path, path: Path | None = None) -> str:
    """Run Python with nothing of ours on its path but a folder."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environment |= {"PYTHONPATH": str(path)} if path else {}
    answer = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with wavesep alone, installed from a wheel that was built from a copy."""
    folder = tmp_path_factory.mktemp("wheel")
    source, target = folder / "source", folder / "installed"
    shutil.copytree(
        ROOT / "wavesep", source / "wavesep", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name in ("setup.cfg", "setup.py", "README.rst", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = ["-m", "pip", "--disable-pip-version-check"]
    python(*pip, "wheel", source, "--no-deps", "--no-build-isolation", "-w", folder, cwd=folder)
    (wheel,) = folder.glob("wavesep-*.whl")
    assert wheel.stat().st_size < MOST_BYTES
    python(*pip, "install", wheel, "--no-deps", "--no-index", "--target", target, cwd=folder)
    shutil.rmtree(source)
    return target


def test_it_separates_from_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    mixture = np.random.default_rng(0).uniform(-0.1, 0.1, (8_000, 2))
    soundfile.write(tmp_path / "song.wav", mixture, 44_100)

    where = python("-c", "import wavesep; print(wavesep.__file__)", cwd=tmp_path, path=installed)
    python("-m", "wavesep", "separate", "song.wav", cwd=tmp_path, path=installed)

    assert Path(where.strip()).is_relative_to(installed)
    for stem in ("vocals", "accompaniment"):
        assert soundfile.info(tmp_path / "separated" / "song" / f"{stem}.wav").frames == 8_000


def test_its_requirements_are_met(installed: Path, tmp_path: Path) -> None:
    call = [sys.executable, "-m", "pip", "check"]
    environment = os.environ | {"PYTHONPATH": str(installed)}
    check = subprocess.run(call, cwd=tmp_path, env=environment, capture_output=True, text=True)

    assert [line for line in check.stdout.splitlines() if line.startswith("wavesep ")] == []

"""``wavesep catalogue --engine ray``; kills are in test_kills.py."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import MODEL

ROOT = Path(__file__).parents[2]


def test_ray_is_imported_in_one_file() -> None:
    importing = [
        path.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / "wavesep").rglob("*.py"))
        if re.search(r"^\s*(import|from) ray\b", path.read_text(), flags=re.MULTILINE)
    ]

    assert importing == ["wavesep/catalogue/ray_engine.py"]


def test_nothing_is_reported_and_a_token_is_asked_for() -> None:
    code = (
        "import os; from wavesep.catalogue import ray_engine\n"
        "from ray._common.usage.usage_lib import usage_stats_enabled\n"
        "print(usage_stats_enabled(), os.environ['RAY_AUTH_MODE'])"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )

    assert answer.stdout.split() == ["False", "token"]


def test_ray_that_is_missing_is_one_line(tmp_path: Path, music: Path) -> None:
    code = (
        "import sys; sys.modules['ray'] = None\n"
        "from wavesep.__main__ import run; sys.argv[0] = 'wavesep'; run()"
    )
    command = ["catalogue", str(music), "--out", str(tmp_path / "out"), "--engine", "ray"]
    answer = subprocess.run(
        [sys.executable, "-c", code, *command, "--model", MODEL], capture_output=True, text=True
    )

    assert answer.returncode == 1
    assert answer.stderr == 'wavesep: this needs ray: run pip install "wavesep[cluster]"\n'


@pytest.mark.slow  # Ray takes ten seconds to start
def test_a_catalogue_on_ray(tmp_path: Path, music: Path) -> None:
    out = tmp_path / "out"
    command = [
        sys.executable, "-m", "wavesep", "catalogue", str(music), "--out", str(out), "--model",
        MODEL, "--flac", "--engine", "ray", "--workers", "2",
    ]  # fmt: skip
    for _ in range(2):
        answer = subprocess.run(command, capture_output=True, text=True)
        assert (answer.returncode, answer.stdout) == (1, "6 songs: 4 done, 2 failed\n")

    markers = [json.loads(path.read_text())["id"] for path in out.glob("done/*/*.json")]
    assert sorted(markers) == ["a.wav", "b.flac", "cd/a again.wav", "cd/c.wav"]


@pytest.mark.slow
def test_a_worker_that_cannot_start_on_ray_is_one_line(tmp_path: Path, music: Path) -> None:
    command = [
        sys.executable, "-m", "wavesep", "catalogue", str(music), "--out", str(tmp_path / "out"),
        "--model", MODEL, "--engine", "ray", "--device", "gpu", "--workers", "1",
        "--precision", "float32",
    ]  # fmt: skip
    if Path("/dev/nvidia0").exists():
        pytest.skip("this machine has a GPU")

    answer = subprocess.run(command, capture_output=True, text=True, timeout=300)

    assert answer.returncode == 1
    assert len(answer.stderr.splitlines()) == 1

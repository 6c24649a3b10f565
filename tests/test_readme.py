"""What the README shows is true."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import docutils.core
import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.rst").read_text(encoding="utf-8")


def python_blocks() -> list[str]:
    blocks = re.findall(r"\.\. code-block:: python\n\n((?:    .*\n|\n)+)", README)
    return [re.sub(r"^    ", "", block, flags=re.MULTILINE) for block in blocks]


@pytest.mark.parametrize("name", ["README.rst", "CHANGES.rst"])
def test_it_is_well_formed(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8").replace(".. code-block:: python", "::")
    settings = {"report_level": 2, "halt_level": 2}
    assert docutils.core.publish_string(text, writer="html", settings_overrides=settings)


def test_the_two_commands_are_single_lines_that_set_themselves_up() -> None:
    commands = re.findall(r"^    (python3 -m venv .*)$", README, flags=re.MULTILINE)

    assert len(commands) == 2
    assert commands[0].endswith("wavesep separate --demo")
    assert '".[test]"' in commands[1]
    assert all("\\" not in command for command in commands)
    assert README.index(commands[1]) < 1_000


def test_the_python_snippets_run(tmp_path: Path) -> None:
    time = np.arange(20_000) / 44_100
    soundfile.write(tmp_path / "song.wav", 0.3 * np.sin(2_000 * time), 44_100)
    blocks = python_blocks()
    assert len(blocks) == 4

    for block in blocks:
        subprocess.run([sys.executable, "-c", block], cwd=tmp_path, check=True)

    assert soundfile.info(tmp_path / "separated" / "song" / "vocals.flac").frames == 20_000


def test_every_flag_and_file_that_is_named_exists() -> None:
    usage = README[README.index("wavesep separate SONG|FOLDER") : README.index("The depth of the")]
    lines = dict(re.findall(r"wavesep (\w+) (.*?)(?=\n    wavesep|\Z)", usage, flags=re.DOTALL))

    assert list(lines) == ["separate", "evaluate", "info", "bench"]
    for command, line in lines.items():
        answer = subprocess.run(
            [sys.executable, "-m", "wavesep", command, "--help"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        flags = re.findall(r"--[a-z0-9-]+", line)
        assert len(flags) == {"separate": 19, "evaluate": 6, "info": 1, "bench": 3}[command]
        assert all(flag in answer.stdout for flag in flags)
    for file in re.findall(r"(?:examples|data_prep|wavesep)/[a-z_0-9]+\.(?:py|json)", README):
        assert (ROOT / file).is_file(), file


def test_no_figure_is_missing() -> None:
    assert "@" not in README

"""What the tests of examples/ share: songs, and the scripts run on them."""

from __future__ import annotations

import contextlib
import io
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from wavesep.audio import Audio

EXAMPLES = Path(__file__).parents[2] / "examples"
WEIGHTS = EXAMPLES / "weights"


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory, synthetic_song: tuple[Audio, Audio]) -> Path:
    """Three songs with both stems, of three seconds each."""
    folder = tmp_path_factory.mktemp("songs")
    for i in range(3):
        for kind, audio in zip(("vocals", "accompaniment"), synthetic_song, strict=True):
            (folder / kind).mkdir(exist_ok=True)
            part = audio[(i + 1) * 44_100 : (i + 4) * 44_100]
            soundfile.write(folder / kind / f"song {i}.wav", part, 44_100)
    return folder


def run(script: Path, *arguments: object, cwd: Path, code: int = 0) -> str:
    """Run a script in this process, which has loaded TensorFlow; return what it prints.

    An error that is not handled is raised if the script has set no ``sys.excepthook`` that says it.
    """
    out, errors = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(errors),
    ):
        patch.setattr(sys, "argv", [str(script), *map(str, arguments)])
        patch.setattr(sys, "excepthook", sys.excepthook)
        patch.syspath_prepend(script.parent)
        patch.chdir(cwd)
        answer = exit_code(script)
    assert answer == code, errors.getvalue()
    return out.getvalue() + errors.getvalue()


def exit_code(script: Path) -> object:
    """Run a script and return its exit code."""
    plain = sys.excepthook
    try:
        runpy.run_path(str(script), run_name="__main__")
    except SystemExit as end:  # of the parser
        return end.code
    except Exception as error:
        if sys.excepthook is plain:
            raise
        sys.excepthook(type(error), error, error.__traceback__)
        return 1
    return 0


def run_apart(script: Path, *arguments: object, cwd: Path, code: int = 0) -> tuple[str, str]:
    """Run a script as a person does, in a process of its own; return what it prints, and says."""
    answer = subprocess.run(
        [sys.executable, str(script), *map(str, arguments)],
        capture_output=True, text=True, cwd=cwd,
        env={k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"},
    )  # fmt: skip
    assert answer.returncode == code, answer.stderr
    return answer.stdout, answer.stderr

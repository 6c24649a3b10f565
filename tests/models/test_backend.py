"""Keras without its backend: one line that says what to install."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

WITHOUT = """
import sys
for name in ("tensorflow", "jax", "torch"):
    sys.modules[name] = None
from wavesep.errors import OptionError
try:
    {}
except OptionError as error:
    print(error)
"""


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
@pytest.mark.parametrize(
    "call",
    [
        "from wavesep import WaveNet",
        "from wavesep.training import fit",
        "from wavesep.data import MixGenerator",
        "from wavesep import Separator; Separator(engine='keras')",
    ],
)
def test_a_backend_that_is_not_there_is_told(backend: str, call: str) -> None:
    answer = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(call)],
        env=os.environ | {"KERAS_BACKEND": backend}, capture_output=True, text=True,
    )  # fmt: skip

    assert answer.stdout.startswith(f"Keras needs {backend}, which is not installed: pip install")
    assert len(answer.stdout.splitlines()) == 1


def test_a_backend_that_keras_has_not_is_told() -> None:
    answer = subprocess.run(
        [sys.executable, "-c", WITHOUT.format("from wavesep import WaveNet")],
        env=os.environ | {"KERAS_BACKEND": "abacus"}, capture_output=True, text=True,
    )  # fmt: skip

    assert "abacus" in answer.stdout
    assert "set KERAS_BACKEND to" in answer.stdout

"""The notebook runs from top to bottom, offline, and is stored without outputs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
NOTEBOOK = EXAMPLES / "tour.ipynb"


def cells(kind: str) -> list[dict[str, Any]]:
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == kind]


@pytest.mark.slow
def test_every_cell_runs(tmp_path: Path) -> None:
    """One namespace for all, as in a notebook; only figures are not shown."""
    code = "\n".join("".join(cell["source"]) for cell in cells("code"))
    environment = os.environ | {"MPLBACKEND": "Agg", "IPYTHONDIR": str(tmp_path)}

    answer = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path, env=environment, capture_output=True, text=True,
    )  # fmt: skip

    assert answer.returncode == 0, answer.stderr
    assert "vocals (441000, 2)" in answer.stdout
    differences = [
        float(line.rsplit(": ")[1]) for line in answer.stdout.splitlines() if "difference" in line
    ]
    assert len(differences) == 2
    assert max(differences) < 1e-5


def test_no_output_is_stored() -> None:
    assert all(not cell["outputs"] for cell in cells("code"))
    assert all(cell["execution_count"] is None for cell in cells("code"))

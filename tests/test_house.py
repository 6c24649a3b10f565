"""The house itself: doors open downwards, names are exported, importing is light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import wavesep

ROOT = Path(__file__).parents[1]
FLOORS = (
    "cli | bench | catalogue web remote | evaluation | activity export | separator"
    " | stream | systems | training | workers | engines | data | models | pictures | dsp"
    " | audio stores | atomic | errors"
)


def climbs(root: Path, floors: str = FLOORS) -> list[str]:
    """List the imports that go up the stairs, or across to another room of the same floor."""
    floor = {f"{root.name}.{r}": n for n, rs in enumerate(floors.split("|")) for r in rs.split()}
    found = []
    for file in sorted(root.rglob("*.py")):
        here = [root.name, *file.relative_to(root).with_suffix("").parts]
        room = floor.get(".".join(here[:2]))
        if room is None:  # __init__ and __main__ stand above all
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                base = here[: -node.level] if node.level else []
                names = [[*base, *(node.module or "").split("."), a.name] for a in node.names]
            elif isinstance(node, ast.Import):
                names = [alias.name.split(".") for alias in node.names]
            else:
                continue
            for name in names:
                there = ".".join([part for part in name if part][:2])
                if there != ".".join(here[:2]) and floor.get(there, room + 1) <= room:
                    found.append(f"{'.'.join(here)} imports {there}")
    return found


def test_doors_open_downwards() -> None:
    assert climbs(ROOT / "wavesep") == []


def test_a_door_that_opens_upwards_is_found(tmp_path: Path) -> None:
    package = tmp_path / "wavesep"
    (package / "dsp").mkdir(parents=True)
    (package / "dsp" / "a.py").write_text("from ..models import files\nfrom ..audio import Audio\n")
    (package / "separator.py").write_text("import wavesep.evaluation\nfrom .dsp import a\n")

    assert climbs(package) == [
        "wavesep.dsp.a imports wavesep.models",
        "wavesep.separator imports wavesep.evaluation",
    ]


def test_every_room_has_its_floor() -> None:
    rooms = {path.stem for path in (ROOT / "wavesep").glob("[a-z]*") if path.name != "py.typed"}
    assert rooms == set(FLOORS.replace("|", " ").split())


def test_public_names_are_there() -> None:
    assert wavesep.__all__ == sorted(wavesep.__all__)
    for name in wavesep.__all__:
        assert getattr(wavesep, name).__doc__
    for name in ("Separator", "WaveNet", "load_model", "list_models"):
        assert name in wavesep.__all__


def test_importing_is_light() -> None:
    code = (
        "import sys, wavesep, wavesep.cli, wavesep.bench.peers\n"
        "heavy = {'tensorflow', 'keras', 'torch', 'jax', 'librosa', 'scipy', 'matplotlib',"
        " 'openvino', 'onnx', 'onnxruntime', 'django', 'openunmix', 'demucs', 'asteroid'}\n"
        "print(*heavy & sys.modules.keys())"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == ""


def test_no_unknown_name() -> None:
    assert not hasattr(wavesep, "separate_everything")


def test_errors_are_one_family() -> None:
    from wavesep import errors

    own = [value for value in vars(errors).values() if isinstance(value, type)]
    assert all(issubclass(error, errors.WavesepError) for error in own)
    assert errors.__doc__ is not None
    assert all(error.__name__ in errors.__doc__ for error in own)


def test_nothing_else_lies_at_the_top() -> None:
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    allowed = {"setup.cfg", "setup.py", "wavesep", "examples", "tests", "data_prep", "README.rst",
               "LICENSE", "CHANGES.rst"}  # fmt: skip
    assert {name.split("/")[0] for name in tracked if not name.startswith(".")} <= allowed

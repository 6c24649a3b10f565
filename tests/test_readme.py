"""What the README and the pages show is true."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import docutils.core
import numpy as np
import pytest
import soundfile

from wavesep.cli import COMMANDS, main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.rst").read_text(encoding="utf-8")
LOG = "results.md"  # of experiments, as they were made
PAGES = ["README.rst", ".github/CONTRIBUTING.md"] + [
    f"examples/{page.name}" for page in sorted((ROOT / "examples").glob("*.md")) if page.name != LOG
]

SOURCES = [
    str(path.relative_to(ROOT))
    for folder in ("wavesep", "data_prep", "examples")
    for path in sorted((ROOT / folder).rglob("*.py"))
]

BANNED = (
    "hears", "gives back", "leave no trace", "to be had", "less decided", "so-manieth",
    "what comes of", "whoever", "all that it", "is no measure", "yours to",
)  # fmt: skip

RUN_EACH = "import sys\nfor block in sys.argv[1:]:\n    exec(block, {'__name__': '__main__'})"


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def python_blocks() -> list[str]:
    blocks = re.findall(r"\.\. code-block:: python\n\n((?:    .*\n|\n)+)", README)
    return [re.sub(r"^    ", "", block, flags=re.MULTILINE) for block in blocks]


def commands(page: str) -> list[list[str]]:
    """Return the words of every command of a page's shell blocks."""
    text = read(page)
    blocks = re.findall(r"^```sh\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    if page.endswith(".rst"):
        blocks = re.findall(r"::\n\n((?:    .*\n)+)", text)
        blocks = [block for block in blocks if "[" not in block.replace("[test]", "")]  # no usage
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    parts = [part for line in lines for part in line.split("&&")]
    return [shlex.split(part.removesuffix("&")) for part in parts]


def script_of(words: list[str]) -> str | None:
    """Return the script of this project that a command runs."""
    scripts = [word for word in words[:2] if word.endswith(".py")]
    return scripts[0] if scripts else None


def linked(page: str) -> list[str]:
    """Return the files that a page links to or shows, seen from the root."""
    text = read(page)
    if page.endswith(".rst"):
        links = re.findall(r"<([^<>]+)>`__|^\.\. figure:: (\S+)", text, flags=re.MULTILINE)
        return [first or second for first, second in links]
    found = re.findall(r"\]\((?!https?:)([^)]+)\)", text)
    return [
        str((ROOT / page).parent.joinpath(link).resolve().relative_to(ROOT.resolve()))
        for link in found
    ]


@cache
def help_of(command: str) -> str:
    """Return the help of a command of wavesep."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    return said.getvalue()


@cache
def options_of(script: str) -> set[str]:
    """Return every string in the source of a script, and of modules beside it, as an option.

    Some scripts load a backend before they can print their help.
    """
    path = ROOT / script
    source = path.read_text(encoding="utf-8")
    for name in re.findall(r"^from (\w+) import", source, flags=re.MULTILINE):
        beside = path.with_name(f"{name}.py")
        source += beside.read_text(encoding="utf-8") if beside.is_file() else ""
    return {f"--{name}" for name in re.findall(r'"(?:--)?([a-z0-9-]+)"', source)}


def knows(words: list[str]) -> bool:
    """Whether a script or a command of wavesep is there and has all options that it is given."""
    flags = {word for word in words if word.startswith("--")}
    script = script_of(words)
    if script is None and Path(words[0]).name != "wavesep":
        return True  # not ours
    if script is None and words[1] in COMMANDS:
        return all(flag in help_of(words[1]) for flag in flags)
    if script is None:
        return False
    if script == "examples/train.py":
        return all(flag in help_of("train") for flag in flags)
    return (ROOT / script).is_file() and flags <= options_of(script)


@pytest.mark.parametrize("name", ["README.rst", "CHANGES.rst"])
def test_it_is_well_formed(name: str) -> None:
    text = read(name).replace(".. code-block:: python", "::")
    settings = {"report_level": 1, "halt_level": 1}
    assert docutils.core.publish_string(text, writer="html", settings_overrides=settings)


def test_the_readme_stays_short() -> None:
    assert len(README.splitlines()) <= 200


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
    assert len(blocks) == 3

    subprocess.run([sys.executable, "-c", RUN_EACH, *blocks], cwd=tmp_path, check=True)

    assert soundfile.info(tmp_path / "separated" / "song" / "vocals.flac").frames == 20_000


@pytest.mark.parametrize("page", PAGES)
def test_every_block_of_a_page_is_tested(page: str) -> None:
    kinds = set(re.findall(r"^(?:```|\.\. code-block:: )(\w+)", read(page), flags=re.MULTILINE))

    # tests/models/test_extending.py and tests/export/test_export.py run the Python of their pages
    python = page in ("README.rst", "examples/extending.md", "examples/export.md")
    assert kinds <= ({"python", "sh"} if python else {"sh"})


def test_every_flag_of_the_usage_exists() -> None:
    usage = README[README.index("wavesep separate SONG|FOLDER") : README.index("* The stems have")]
    lines = dict(re.findall(r"wavesep (\w+) (.*?)(?=\n    wavesep|\Z)", usage, flags=re.DOTALL))

    assert sorted(lines) == sorted(COMMANDS)
    for command, line in lines.items():
        flags = re.findall(r"--[a-z0-9-]+", line)
        counts = {"separate": 19, "evaluate": 6, "train": 8, "info": 1, "bench": 3, "serve": 6}
        counts |= {"worker": 3, "remote": 2, "export": 3, "catalogue": 8}
        assert len(flags) == counts[command]
        assert knows(["wavesep", command, *flags])


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_can_be_given(page: str) -> None:
    given = commands(page)

    assert given or page == "examples/extending.md"
    for words in given:
        assert knows([word for word in words if not re.match(r"[A-Z_]+=", word)]), words


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_is_named_exists(page: str) -> None:
    place = r"(?<![\w/])(?:examples|data_prep|wavesep|tests|\.ci|\.github)/"
    named = re.findall(rf"{place}[\w./]*\.(?:py|json|md|ipynb|png)\b", read(page))

    for name in [*linked(page), *named]:
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize("page", PAGES)
def test_no_figure_is_missing(page: str) -> None:
    text = re.sub(r"^```python\n.*?^```", "", read(page), flags=re.DOTALL | re.MULTILINE)
    assert "@" not in text  # it stands for a figure to come


def test_no_banned_phrase() -> None:
    texts = {name: " ".join(read(name).lower().split()) for name in [*PAGES, *SOURCES]}

    found = [(name, phrase) for name, text in texts.items() for phrase in BANNED if phrase in text]
    assert found == []

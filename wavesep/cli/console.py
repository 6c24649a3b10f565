"""What the commands share: their parser, their output, tables."""

from __future__ import annotations

import argparse
import os
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

INTERRUPTED = 130  # the shell's own code for Ctrl-C
WIDTH = 120  # columns, of a table that goes to a file


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Refuse unknown options here, where the command is known."""
        known, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"{self.prog} does not know {' '.join(unknown)}")
        return known, unknown

    def error(self, message: str) -> NoReturn:
        """Leave with the exit code 2."""
        self.exit(2, f"wavesep: {printable(message)} (see {self.prog} --help)\n")


def add_command(
    commands: Any, run: Callable[[argparse.Namespace, Console], int], about: str, description: str
) -> argparse.ArgumentParser:
    """Add the command that a function of the same name runs, and return its parser."""
    command: argparse.ArgumentParser = commands.add_parser(
        run.__name__,
        help=about,
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=run)
    return command


def plain_console() -> Console:
    """Return standard output, without markup and emoji in names."""
    return Console(highlight=False, markup=False, emoji=False)


def standard_output() -> Console:
    """Return what tables are printed on."""
    output = plain_console()
    if not output.is_terminal:
        output.width = WIDTH
    return output


def song_bar(console: Console, quiet: bool = False) -> Progress:
    """Return progress bars that disappear at the end."""
    return Progress(
        TextColumn("{task.description}", markup=False), BarColumn(),
        TextColumn("{task.percentage:3.0f} %"), TimeRemainingColumn(),
        console=console, transient=True, disable=quiet or not console.is_terminal,
    )  # fmt: skip


@contextmanager
def hushed() -> Iterator[None]:
    """Hold back what TensorFlow writes from C++ while it loads: no setting of TensorFlow does.

    It is shown if TF_CPP_MIN_LOG_LEVEL is set.
    """
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        yield
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    stderr = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def printable(text: str) -> str:
    """Return a text of a file, with its control characters escaped: they could rule a terminal."""
    return "".join(
        letter.encode("unicode_escape").decode()
        if unicodedata.category(letter) in {"Cc", "Cs"}
        else letter
        for letter in text
    )


def figure(value: Any) -> str:
    """Return a figure as text, with three digits."""
    if not isinstance(value, float):
        return f"{value:,}" if isinstance(value, int) else str(value)
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def table(rows: Sequence[Mapping[str, Any]], form: Callable[[Any], str] = figure) -> Table:
    """Return rows of figures as a table, each written as ``form`` says."""
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    for column in columns:
        numeric = all(not isinstance(row.get(column), str) for row in rows)
        drawn.add_column(printable(column), justify="right" if numeric else "left")
    for row in rows:
        drawn.add_row(*(printable(form(row.get(column, ""))) for column in columns))
    return drawn

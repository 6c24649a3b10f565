"""The parser, the output and the tables that all commands share."""

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

INTERRUPTED = 130  # the shell's exit code for Ctrl-C
WIDTH = 120  # columns of a table that is written to a file


class Parser(argparse.ArgumentParser):
    """A parser with error messages of one line."""

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Parse, and refuse unknown options here, where the command is known."""
        known, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"{self.prog} does not know {' '.join(unknown)}")
        return known, unknown

    def error(self, message: str) -> NoReturn:
        """Print the message and exit with code 2."""
        self.exit(2, f"wavesep: {printable(message)} (see {self.prog} --help)\n")


def add_command(
    commands: Any, run: Callable[[argparse.Namespace, Console], int], about: str, description: str
) -> argparse.ArgumentParser:
    """Add a command with the name of the function that runs it, and return its parser."""
    command: argparse.ArgumentParser = commands.add_parser(
        run.__name__,
        help=about,
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=run)
    return command


def plain_console() -> Console:
    """Return standard output as a console that prints names without markup and emoji."""
    return Console(highlight=False, markup=False, emoji=False)


def standard_output() -> Console:
    """Return standard output as a console for tables; in a file they are `WIDTH` wide."""
    output = plain_console()
    if not output.is_terminal:
        output.width = WIDTH
    return output


def song_bar(console: Console, quiet: bool = False) -> Progress:
    """Return progress bars, which disappear at the end."""
    return Progress(
        TextColumn("{task.description}", markup=False), BarColumn(),
        TextColumn("{task.percentage:3.0f} %"), TimeRemainingColumn(),
        console=console, transient=True, disable=quiet or not console.is_terminal,
    )  # fmt: skip


@contextmanager
def hushed() -> Iterator[None]:
    """Hide the lines that TensorFlow and JAX write from C++ while they load and connect.

    No setting of TensorFlow hides all of them. They are shown if TF_CPP_MIN_LOG_LEVEL is set.
    """
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        yield
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    streams = {number: os.dup(number) for number in (1, 2)}
    with open(os.devnull, "w") as nowhere:
        for number in streams:
            os.dup2(nowhere.fileno(), number)
    try:
        yield
    finally:
        del os.environ["TF_CPP_MIN_LOG_LEVEL"]
        for number, stream in streams.items():
            os.dup2(stream, number)
            os.close(stream)


def printable(text: str) -> str:
    """Return a text with its control characters escaped: they could control the terminal."""
    return "".join(
        letter.encode("unicode_escape").decode()
        if unicodedata.category(letter) in {"Cc", "Cs"}
        else letter
        for letter in text
    )


def figure(value: Any) -> str:
    """Return a number as text; a float has three significant digits."""
    if not isinstance(value, float):
        return f"{value:,}" if isinstance(value, int) else str(value)
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def table(rows: Sequence[Mapping[str, Any]], form: Callable[[Any], str] = figure) -> Table:
    """Return rows of values as a table; ``form`` converts each value to text."""
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    for column in columns:
        numeric = all(not isinstance(row.get(column), str) for row in rows)
        drawn.add_column(printable(column), justify="right" if numeric else "left")
    for row in rows:
        drawn.add_row(*(printable(form(row.get(column, ""))) for column in columns))
    return drawn

"""``wavesep info``."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from ..models.files import ready_models
from ..models.registry import list_models
from ..systems.tree import leaves, models_of, read_part, split_name
from .console import add_command, plain_console, printable, standard_output, table

INFO = """Describe a model: its sources, sample rate, context, size, licence and data
card.
"""


def add_info(commands: Any) -> None:
    """Add ``wavesep info``."""
    command = add_command(commands, info, "describe a model", INFO)
    command.add_argument("model", metavar="MODEL", nargs="?", default="vocals",
                         help=f"a model file, or one of {', '.join(ready_models())}")  # fmt: skip
    command.add_argument("--all", action="store_true", help="list the names of all systems")


def info(args: argparse.Namespace, console: Console) -> int:
    """Describe a model.

    Raises
    ------
    ModelFileError
        If the model cannot be read.
    """
    del console  # standard output is used
    if args.all:
        print_models()
        return 0
    for name in split_name(args.model):
        for model in models_of(name):
            print_model(model)
    return 0


def print_model(name: str) -> None:
    """Describe one model.

    Raises
    ------
    ModelFileError
        If the model cannot be read.
    """
    system, *others = leaves(read_part(name, {}))
    file, (left, right) = system.file, system.context
    channels = str(file.architecture.channels)

    def span(samples: int) -> str:
        return f"{samples:,} samples, {1000 * samples / file.sample_rate:,.1f} ms"

    drawn = Table(show_header=False, box=None, pad_edge=False)
    drawn.add_column(style="bold", no_wrap=True)
    drawn.add_column()
    rows = {
        "model": name,
        "kind": file.kind,
        "sources": ", ".join(file.sources),
        "sample rate": f"{file.sample_rate:,} Hz",
        "channels": "1: each channel is separated alone" if channels == "1" else channels,
        "parameters": f"{file.parameters:,}",
        "left context": span(left),
        "right context": span(right),
        "receptive field": span(left + system.frame_size + right),
        "architecture": ", ".join(f"{k} {v}" for k, v in file.architecture.arguments.items()),
        "licence": file.licence,
    }
    if others:
        speeds = [str(each.speed) for each in (system, *others)]
        rows["speeds"] = ", ".join(speeds) + ": the mean of the estimates"
    for row, value in (rows | file.card).items():
        drawn.add_row(printable(row), plain(value))
    plain_console().print(drawn)


def print_models() -> None:
    """List all systems."""
    output = standard_output()
    rows = [
        {"model": name} | asdict(model) | {"ships": "yes" if model.ships else "no"}
        for name, model in list_models().items()
    ]
    output.print(table(rows))


def plain(value: Any) -> str:
    """Return an entry of a data card as text, with a line for each item."""
    if isinstance(value, dict):
        return "\n".join(f"{printable(name)}: {plain(entry)}" for name, entry in value.items())
    return "\n".join(map(plain, value)) if isinstance(value, list) else printable(str(value))

"""``wavesep bench``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from ..bench import SECTIONS, machine, measure
from ..bench.report import write_json
from ..bench.timing import Row
from ..errors import OptionError
from ..systems.tree import read_models
from .console import add_command, hushed, standard_output, table

BENCH = """Measure how fast wavesep is on this machine. Compare it with the limits of the
machine, and with other separators at their real sizes (they need
pip install "wavesep[bench]").

  wavesep bench networks streaming
  wavesep bench --json figures.json

Sections:

{sections}

All sections take about twenty minutes. Other programs that run on the machine
change the figures, so compare only figures of one run.
"""


def add_bench(commands: Any) -> None:
    """Add ``wavesep bench``."""
    sections = "\n".join(f"  {name:10} {title}" for name, title in SECTIONS.items())
    command = add_command(
        commands, bench, "measure the speed on this machine", BENCH.format(sections=sections)
    )
    add = command.add_argument
    add("sections", nargs="*", metavar="SECTION", help="one of those above (default: all)")
    add("--json", type=Path, metavar="FILE", help="also write the figures as JSON")
    add("--model", default="vocals", metavar="NAME|FILE", help="default: %(default)s")
    add("--device", default="cpu", help='"cpu", "gpu" or "gpu:1" (default: %(default)s)')


def bench(args: argparse.Namespace, console: Console) -> int:
    """Measure, and print a table after each section.

    Raises
    ------
    ModelFileError
        If the model cannot be read.
    OptionError
        If there is no section of a name.
    """
    read_models(args.model)  # a mistake is reported before the measurements
    if unknown := [section for section in args.sections if section not in SECTIONS]:
        raise OptionError(f"no section {unknown[0]!r}: choose from {', '.join(SECTIONS)}")
    figures: dict[str, Any] = {"machine": machine()}
    output = standard_output()
    output.print(", ".join(f"{name} {value}" for name, value in figures["machine"].items()))
    with console.status("bench") as status:
        measured = measure(
            args.sections or [*SECTIONS], model=args.model, device=args.device, report=status.update
        )
        for section, rows in quietly(measured):
            figures[section] = rows
            output.print(f"\n{SECTIONS[section]}:\n", table(rows))
            if args.json:
                write_json(args.json, figures)
    return 0


def quietly(measured: Iterator[tuple[str, list[Row]]]) -> Iterator[tuple[str, list[Row]]]:
    """Yield tables; hide only what libraries write while they are measured."""
    while True:
        with hushed():
            found = next(measured, None)
        if found is None:
            return
        yield found

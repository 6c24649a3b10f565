"""``wavesep bench``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console

from ..bench import SECTIONS, machine, measure
from ..bench.report import write_json
from ..errors import OptionError
from ..systems.tree import read_models
from .console import add_command, hushed, standard_output, table

BENCH = """Measure how fast wavesep is on this machine, beside the machine's own limits
and beside other separators at their real sizes (pip install "wavesep[bench]"
brings them).

  wavesep bench networks streaming
  wavesep bench --json figures.json

Sections:

{sections}

All of them take some twenty minutes. On a machine that others use too, figures
of different runs differ: compare those of one run.
"""


def add_bench(commands: Any) -> None:
    """Add ``wavesep bench``."""
    sections = "\n".join(f"  {name:10} {title}" for name, title in SECTIONS.items())
    command = add_command(
        commands, bench, "measure how fast it is here", BENCH.format(sections=sections)
    )
    add = command.add_argument
    add("sections", nargs="*", metavar="SECTION", help="default: all")
    add("--json", type=Path, metavar="FILE", help="write the figures as JSON, too")
    add("--model", default="vocals", metavar="NAME|FILE", help="default: %(default)s")
    add("--device", default="cpu", help='"cpu", "gpu" or "gpu:1" (default: %(default)s)')


def bench(args: argparse.Namespace, console: Console) -> int:
    """Measure, and print a table after each section."""
    read_models(args.model)  # a mistake is told now
    if unknown := [section for section in args.sections if section not in SECTIONS]:
        raise OptionError(f"no section {unknown[0]!r}: choose some of {', '.join(SECTIONS)}")
    figures: dict[str, Any] = {"machine": machine()}
    output = standard_output()
    output.print(", ".join(f"{name} {value}" for name, value in figures["machine"].items()))
    with hushed(), console.status("bench") as status:
        for section, rows in measure(
            args.sections or [*SECTIONS], model=args.model, device=args.device, report=status.update
        ):
            figures[section] = rows
            output.print(f"\n{SECTIONS[section]}:\n", table(rows))
            if args.json:
                write_json(args.json, figures)
    return 0

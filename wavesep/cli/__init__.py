"""The command line: parse, call, print, exit code. A module for each command."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from typing import Any, TextIO, cast

from rich.console import Console
from rich.logging import RichHandler

from .. import __version__
from ..bench.report import printable
from .bench import add_bench
from .evaluate import add_evaluate
from .faults import reason
from .info import add_info
from .separate import add_separate
from .streams import PatientStream

log = logging.getLogger("wavesep")

INTERRUPTED = 130  # the shell's own code for Ctrl-C


class Plain(logging.Formatter):
    """Writes names out of files so that they can do nothing to a terminal."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the message in printable letters."""
        return printable(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:
        """Return a traceback in printable letters."""
        return "\n".join(map(printable, super().formatException(ei).splitlines()))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    With WAVESEP_DEBUG in the environment, the log tells everything.
    """
    args = parser().parse_args(argv)
    with os.fdopen(os.dup(2), "w") as stderr:  # is heard while fd 2 is hushed
        console = Console(file=cast(TextIO, PatientStream(stderr)))
        handler = RichHandler(console=console, show_time=False, show_path=False)
        handler.setFormatter(Plain("%(message)s"))
        log.addHandler(handler)
        level = log.level
        if os.environ.get("WAVESEP_DEBUG"):
            log.setLevel(logging.DEBUG)
        try:
            code: int = args.run(args, console)
        except Exception as error:
            print(f"wavesep: {printable(reason(error))}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print(
                "wavesep: interrupted; what is done is kept, the rest left nothing", file=sys.stderr
            )
            return INTERRUPTED
        finally:
            log.removeHandler(handler)
            log.setLevel(level)
    return code


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    top = argparse.ArgumentParser(prog="wavesep", description="Isolate the vocals of songs.")
    top.add_argument("--version", action="version", version=f"wavesep {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    add_separate(commands)
    add_evaluate(commands)
    add_info(commands)
    add_bench(commands)
    return top

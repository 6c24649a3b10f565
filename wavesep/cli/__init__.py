"""The command line. Each command has its own module, without logic that a Python user needs."""

from __future__ import annotations

import argparse
import logging
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO, cast

from rich.console import Console
from rich.logging import RichHandler

from .. import __version__
from ..audio.suffixes import is_audio
from .bench import add_bench
from .catalogue import add_catalogue
from .console import INTERRUPTED, Parser, printable
from .evaluate import add_evaluate
from .export import add_export
from .faults import reason
from .info import add_info
from .remote import add_remote
from .separate import add_separate
from .serve import add_serve, add_worker
from .songs import URL
from .streams import PatientStream
from .train import add_train

log = logging.getLogger("wavesep")

NO_COMMAND = 2  # argparse's exit code for a wrong command line
COMMANDS = {
    "separate": add_separate,
    "train": add_train,
    "evaluate": add_evaluate,
    "info": add_info,
    "bench": add_bench,
    "serve": add_serve,
    "worker": add_worker,
    "remote": add_remote,
    "export": add_export,
    "catalogue": add_catalogue,
}
ABOUT = """Isolate the vocals of songs.

  wavesep separate song.mp3    writes vocals.wav and accompaniment.wav to
                               separated/song/
  wavesep separate --demo      does the same with ten seconds of a song that come
                               with wavesep
  wavesep separate --help      lists all options
"""


class Plain(logging.Formatter):
    """Escapes control characters in names, because they could control the terminal."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the message with control characters escaped."""
        return printable(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:
        """Return the traceback with control characters escaped."""
        return "\n".join(map(printable, super().formatException(ei).splitlines()))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    If the environment variable WAVESEP_DEBUG is set, the log has every message.
    """
    argv = sys.argv[1:] if argv is None else argv
    args = parser().parse_args(argv)
    args.argv = argv
    with os.fdopen(os.dup(2), "w") as stderr:  # still works while `hushed` redirects descriptor 2
        stream = cast(TextIO, PatientStream(stderr))
        console = Console(file=stream)
        handler = log_handler(console, stream)
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
                "wavesep: interrupted: finished work is kept, unfinished files are removed",
                file=sys.stderr,
            )
            return INTERRUPTED
        finally:
            log.removeHandler(handler)
            log.setLevel(level)
    return code


def log_handler(console: Console, stream: TextIO) -> logging.Handler:
    """Return a handler for the log: in colours on a terminal, otherwise one line a message."""
    if console.is_terminal:
        handler: logging.Handler = RichHandler(console=console, show_time=False, show_path=False)
        handler.setFormatter(Plain("%(message)s"))
    else:
        handler = logging.StreamHandler(stream)
        handler.setFormatter(Plain("%(levelname)-8s %(message)s"))
    return handler


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    top = CommandParser(
        prog="wavesep", description=ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    top.add_argument("--version", action="version", version=f"wavesep {__version__}")
    commands = top.add_subparsers(metavar="COMMAND", title="commands", parser_class=Parser)
    for add in COMMANDS.values():
        add(commands)

    def show_help(args: argparse.Namespace, console: Console) -> int:
        del args, console
        top.print_help()
        return NO_COMMAND

    top.set_defaults(run=show_help)
    return top


class CommandParser(Parser):
    """The parser of the whole command line."""

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Parse, or explain what to write if a song is given without a command."""
        args = sys.argv[1:] if args is None else args
        word = args[0] if args else "separate"
        if word not in COMMANDS and not word.startswith("-"):
            if os.path.lexists(word) or URL.match(word) or is_audio(Path(word)):
                self.error(f"no command before {word}: write wavesep separate {shlex.quote(word)}")
            self.error(f"no command {word}: choose one of {', '.join(COMMANDS)}")
        return super().parse_known_args(args, namespace)

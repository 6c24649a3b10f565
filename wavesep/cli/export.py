"""``wavesep export``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console

from ..export import FORMATS, export_model
from .console import add_command, printable

EXPORT = """Write a WaveNet as a file that ONNX Runtime or OpenVINO runs without wavesep.

  wavesep export wavenet
  wavesep export wavenet --stream -o live/wavenet.onnx
  wavesep export runs/first/best.safetensors --format openvino

The file maps a mixture at the model's sample rate to its stems: a whole mixture
of any length, or with --stream one step of live audio. It contains the sample
rate, the length of a step, the latency, the names of the stems and the licence.
ONNX needs pip install "wavesep[export]".
"""


def add_export(commands: Any) -> None:
    """Add ``wavesep export``."""
    command = add_command(commands, export, "write a model for other runtimes", EXPORT)
    add = command.add_argument
    add("model", metavar="MODEL", nargs="?", default="wavenet",
        help="a name or a model file (default: %(default)s)")  # fmt: skip
    add("--format", choices=FORMATS, default="onnx", help="default: %(default)s")
    add("--stream", action="store_true",
        help="one step of a stream, whose past is given to it and returned by it")  # fmt: skip
    add("-o", "--out", type=Path, metavar="FILE",
        help="the file (default: the name of the model, in this folder)")  # fmt: skip
    add("--overwrite", action="store_true", help="replace files that exist")


def export(args: argparse.Namespace, console: Console) -> int:
    """Export a model and print the name of the file.

    Raises
    ------
    ModelFileError
        If the model cannot be read.
    OptionError
        If it cannot be exported, or a package is missing.
    OutputError
        If the file cannot be written.
    """
    del console  # standard output is used
    path = export_model(
        args.model, args.out, form=args.format, stream=args.stream, overwrite=args.overwrite
    )
    print(printable(str(path)))
    return 0

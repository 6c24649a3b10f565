"""Figures as tables to read and as JSON to go on with."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from ..errors import OptionError
from .timing import Row


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


def table(rows: list[Row], form: Callable[[Any], str] = figure) -> Table:
    """Return rows of figures as a table, each written as ``form`` says."""
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    for column in columns:
        numeric = all(not isinstance(row.get(column), str) for row in rows)
        drawn.add_column(printable(column), justify="right" if numeric else "left")
    for row in rows:
        drawn.add_row(*(printable(form(row.get(column, ""))) for column in columns))
    return drawn


def write_json(path: Path, figures: dict[str, Any]) -> None:
    """Write what has been measured so far."""
    try:
        path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise OptionError(f"{path} cannot be written: {error}") from error

"""Figures as tables to read and as JSON to go on with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from ..errors import OptionError
from .timing import Row


def table(rows: list[Row]) -> Table:
    """Return rows of figures as a table, three digits each."""
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    for column in columns:
        numeric = all(not isinstance(row.get(column), str) for row in rows)
        drawn.add_column(column, justify="right" if numeric else "left")
    for row in rows:
        drawn.add_row(*(figure(row.get(column, "")) for column in columns))
    return drawn


def figure(value: Any) -> str:
    """Return a figure as text."""
    if not isinstance(value, float):
        return f"{value:,}" if isinstance(value, int) else str(value)
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def write_json(path: Path, figures: dict[str, Any]) -> None:
    """Write what has been measured so far."""
    try:
        path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise OptionError(f"{path} cannot be written: {error}") from error

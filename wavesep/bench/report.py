"""Write figures as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import OptionError


def write_json(path: Path, figures: dict[str, Any]) -> None:
    """Write the figures measured so far.

    Raises
    ------
    OptionError
        If the file cannot be written.
    """
    try:
        path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise OptionError(f"{path} cannot be written: {error}") from error

"""What these scripts need beyond wavesep itself."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def extra() -> Iterator[None]:
    """End the script with one line that says what to install if an import fails."""
    try:
        yield
    except ModuleNotFoundError as error:
        sys.exit(f'{error.name} is not installed: pip install ".[data]"')

"""Imports of packages that only the scripts of this folder need."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def extra() -> Iterator[None]:
    """If an import fails, end the script with one line that says what to install."""
    try:
        yield
    except ModuleNotFoundError as error:
        sys.exit(f'{error.name} is not installed: pip install ".[data]"')

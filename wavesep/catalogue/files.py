"""File systems: fsspec's, with wavesep's errors."""

from __future__ import annotations

from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

from ..errors import OptionError


def opened(url: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """Return the file system of a URL or a path, and the path in it.

    Raises
    ------
    OptionError
        If there is no such file system, or a package for it is missing.
    """
    try:
        fs, path = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise OptionError(f"{url} cannot be opened: {error}") from error
    return fs, path


def local_path(fs: fsspec.AbstractFileSystem, path: str) -> Path | None:
    """Return the path if it is one of this machine."""
    return Path(path) if isinstance(fs, LocalFileSystem) else None

"""Object stores, by fsspec, with wavesep's errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .atomic import NO_ROOM
from .errors import DiskFullError, OptionError, StoreError, WavesepError


def opened(url: str) -> tuple[Any, str]:
    """Return the file system of a URL or a path, and the path in it.

    Parameters
    ----------
    url : str
        Such as "s3://bucket/folder". The environment holds the secrets.

    Raises
    ------
    OptionError
        If the kind of store is unknown, or a package for it is missing.
    """
    from fsspec.core import split_protocol, url_to_fs

    is_local = split_protocol(url)[0] in (None, "file", "local")
    options = {"auto_mkdir": True} if is_local else {}  # writing makes missing folders
    try:
        files, path = url_to_fs(url, **options)
    except (ImportError, ValueError) as error:  # its text names the package
        raise OptionError(f"{url} cannot be opened: {error}") from error
    return files, path


@contextmanager
def reaching(url: str, *passed_on: type[Exception]) -> Iterator[None]:
    """Turn the errors of a store into those of wavesep, except for some.

    Raises
    ------
    DiskFullError
        If there is no room.
    StoreError
        If the store cannot be used for another reason.
    """
    try:
        yield
    except WavesepError:
        raise
    except passed_on:
        raise
    except Exception as error:  # each kind of store has exceptions of its own
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            raise DiskFullError(f"{url}: {error.strerror}") from error
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise StoreError(f"{url} cannot be used: {reason}") from error

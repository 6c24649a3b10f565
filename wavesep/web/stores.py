"""A place outside this machine for songs and stems: whatever fsspec reaches, such as S3."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from ..atomic import unfinished
from ..errors import OptionError
from ..stores import opened, reaching

MARK = "wavesep"  # the name of an empty file, by which the store is checked


class Store:
    """A folder of fsspec. Its files are complete, or not there, on all object stores.

    Parameters
    ----------
    url : str
        Such as "s3://bucket/folder". The environment holds the secrets, under the names that the
        package for this kind of store expects.

    Raises
    ------
    OptionError
        If the kind of store is unknown, its package is missing, or the URL holds a password.
    """

    def __init__(self, url: str) -> None:
        if urlsplit(url).password:
            raise OptionError("the URL of the store holds a password: put it in the environment")
        try:
            from fsspec.implementations.dirfs import DirFileSystem

            files, root = opened(url)
        except ImportError:
            raise OptionError('--store needs fsspec: run pip install "wavesep[store]"') from None
        self._url = url
        self._files = DirFileSystem(root, files)

    def check(self) -> None:
        """Check that the store can be reached, or raise StoreError."""
        with reaching(self._url):
            try:
                self._files.info(MARK)
            except FileNotFoundError:
                self._files.pipe_file(MARK, b"")

    def put(self, path: Path, key: str) -> None:
        """Copy a local file into the store, or raise StoreError."""
        with reaching(self._url):
            self._files.put_file(str(path), key)

    def write(self, key: str, content: bytes) -> None:
        """Make a file of the store from a few bytes, or raise StoreError."""
        with reaching(self._url):
            self._files.pipe_file(key, content)

    def get(self, key: str, path: Path) -> None:
        """Copy a file of the store to this machine; it appears complete or not at all.

        Raises
        ------
        FileNotFoundError
            If the store has no such file.
        StoreError, OutputError
            If the store cannot be reached, or the file not be written here.
        """
        with unfinished(path.parent) as place:
            part = place / "part"
            with reaching(self._url, FileNotFoundError):
                self._files.get_file(key, str(part))
            part.replace(path)

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the names in a folder, with the sizes of files, or raise StoreError.

        Only one level is listed: several kinds of stores leave out folders that they cannot read.
        """
        with reaching(self._url), suppress(FileNotFoundError):
            self._files.invalidate_cache()  # other machines write, too
            found = self._files.ls(folder, detail=True)
            return {about["name"].rpartition("/")[2]: about.get("size") or 0 for about in found}
        return {}

    def delete(self, *keys: str) -> None:
        """Delete files and folders that may be missing, or raise StoreError."""
        with reaching(self._url):
            for key in keys:
                with suppress(FileNotFoundError):
                    self._files.rm(key, recursive=True)

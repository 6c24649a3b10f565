"""The output of a catalogue, which alone tells what is done.

::

    job.json                         the settings
    stems/HH/SONG/KEY/vocals.wav     KEY depends on the content of the song and on the settings
    done/HH/SONG.json                written last, and only if it is not there: the song is done
    failed/HH/SONG.N.json            try N failed for a reason that may pass
    failed/HH/SONG.final.json        the song is not tried again; see `forget_failures`

So any number of processes may work on one output, be killed and start again. A song may be
separated twice; the same bytes then get the same names, and one marker counts.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from fsspec.implementations.local import LocalFileSystem

from ..atomic import link, writing
from ..stores import opened, reaching

PREFIXES = [f"{number:02x}" for number in range(256)]
LISTINGS = 16  # folders that are listed at a time
FINAL = "final"


class Store:
    """Reads and writes an output.

    Parameters
    ----------
    url : str
        A folder or an fsspec URL.

    Raises
    ------
    OptionError
        If the URL cannot be opened.
    StoreError, OutputError
        By all methods, if the output cannot be used.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.fs, self.root = opened(url.rstrip("/") or "/")
        self._folder = Path(self.root) if isinstance(self.fs, LocalFileSystem) else None

    def path(self, name: str) -> str:
        """Return the path of a file in the file system."""
        return f"{self.root}/{name}"

    def read(self, name: str) -> bytes | None:
        """Return the content of a file, or None if there is none."""
        with reaching(self.url), suppress(FileNotFoundError):
            content: bytes = self.fs.cat_file(self.path(name))
            return content
        return None

    def write_once(self, name: str, content: bytes) -> bool:
        """Write a file whole unless there is one; return whether it was written."""
        if self._folder:
            return link_once(self._folder / name, content)
        with reaching(self.url), suppress(FileExistsError):
            self._make(name, lambda path: self.fs.pipe_file(path, content, mode="create"))
            return True
        return False

    @contextmanager
    def folder(self, name: str) -> Iterator[Path]:
        """Yield a folder of this machine; what is written to it is in the output afterwards."""
        if self._folder:
            yield self._folder / name
            return
        with tempfile.TemporaryDirectory(prefix="wavesep-") as place:
            yield Path(place)
            with reaching(self.url):
                for file in sorted(Path(place).iterdir()):
                    self._make(f"{name}/{file.name}", partial(self.fs.put_file, str(file)))

    def _make(self, name: str, write: Callable[[str], object]) -> None:
        """Write a file; make its folder if the file system has real ones and it is missing."""
        path = self.path(name)
        try:
            write(path)
        except FileNotFoundError:
            self.fs.makedirs(self.fs._parent(path), exist_ok=True)
            write(path)

    def names(self, room: str) -> set[str]:
        """Return the names of the files in "done" or "failed", without ".json"."""
        return {name.removesuffix(".json") for name, _ in self.files(room, detail=False)}

    def final(self) -> set[str]:
        """Return the songs that are not tried again."""
        end = f".{FINAL}"
        return {n.removesuffix(end) for n in self.names("failed") if n.endswith(end)}

    def files(self, room: str, *, detail: bool = True) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the name of each file in "done" or "failed", and what the file system knows."""
        with ThreadPoolExecutor(LISTINGS) as pool:
            for found in pool.map(lambda prefix: self._list(f"{room}/{prefix}", detail), PREFIXES):
                for file in found:
                    path, about = (file["name"], file) if detail else (file, {})
                    name = path.rpartition("/")[2]
                    if name.endswith(".json"):
                        yield name, about

    def _list(self, folder: str, detail: bool = False) -> list[Any]:
        """Return what is in a folder; other processes may have written it a moment ago."""
        with reaching(self.url), suppress(FileNotFoundError):
            self.fs.invalidate_cache(self.path(folder))
            found: list[Any] = self.fs.ls(self.path(folder), detail=detail)
            return found
        return []

    def mark_done(self, song: str, facts: dict[str, Any]) -> None:
        """Write the marker of a song whose stems are there; another's marker stays."""
        self.write_once(done_file(song), json.dumps(facts).encode())

    def mark_failed(self, song: str, facts: dict[str, Any], *, final: bool, tries: int) -> None:
        """Write a row about a failure."""
        name = failed_file(song, FINAL if final else str(tries))
        self.write_once(name, json.dumps(facts).encode())

    def failures(self, song: str) -> int:
        """Return how often a song has failed for reasons that may pass."""
        found = self._list(f"failed/{song[:2]}")
        return sum(path.rpartition("/")[2].startswith(f"{song}.") for path in found)

    def forget(self, names: Iterable[str]) -> None:
        """Delete files."""
        with reaching(self.url):
            for name in names:
                with suppress(FileNotFoundError):
                    self.fs.rm_file(self.path(name))


def done_file(song: str) -> str:
    """Return the name of the marker of a song."""
    return f"done/{song[:2]}/{song}.json"


def failed_file(song: str, tries: str) -> str:
    """Return the name of a row about a failure."""
    return f"failed/{song[:2]}/{song}.{tries}.json"


def link_once(path: Path, content: bytes) -> bool:
    """Write a file of this machine whole, unless there is one; return whether it was written.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    if path.exists():
        return False
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=".", dir=path.parent)
        draft = Path(name)
        try:
            os.write(descriptor, content)
            os.fsync(descriptor)
            link(draft, path)
        except FileExistsError:
            return False
        finally:
            os.close(descriptor)
            draft.unlink(missing_ok=True)
    return True

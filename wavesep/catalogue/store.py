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
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from ..atomic import link, writing
from .files import local_path, opened

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
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.fs, self.root = opened(url.rstrip("/") or "/")
        self.local = local_path(self.fs, self.root)

    def path(self, name: str) -> str:
        """Return the path of a file in the file system."""
        return f"{self.root}/{name}"

    def read(self, name: str) -> bytes | None:
        """Return the content of a file, or None if there is none."""
        try:
            content: bytes = self.fs.cat_file(self.path(name))
        except FileNotFoundError:
            return None
        return content

    def has(self, name: str) -> bool:
        """Return whether there is a file; other processes may have written it a moment ago."""
        self.fs.invalidate_cache(self.fs._parent(self.path(name)))
        return bool(self.fs.exists(self.path(name)))

    def write_once(self, name: str, content: bytes) -> bool:
        """Write a file whole unless there is one; return whether it was written."""
        if self.local:
            return link_once(self.local / name, content)
        try:
            self.made(name, lambda path: self.fs.pipe_file(path, content, mode="create"))
        except FileExistsError:
            return False
        return True

    @contextmanager
    def folder(self, name: str) -> Iterator[Path]:
        """Yield a folder of this machine; what is written to it is in the output afterwards."""
        if self.local:
            yield self.local / name
            return
        with tempfile.TemporaryDirectory(prefix="wavesep-") as place:
            yield Path(place)
            for file in sorted(Path(place).iterdir()):
                self.made(f"{name}/{file.name}", partial(self.fs.put_file, str(file)))

    def made(self, name: str, write: Callable[[str], object]) -> None:
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

    def files(self, room: str, *, detail: bool = True) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the name of each file in "done" or "failed", and what the file system knows."""
        self.fs.invalidate_cache()

        def listed(prefix: str) -> list[Any]:
            with suppress(FileNotFoundError):
                found: list[Any] = self.fs.ls(self.path(f"{room}/{prefix}"), detail=detail)
                return found
            return []

        with ThreadPoolExecutor(LISTINGS) as pool:
            for found in pool.map(listed, PREFIXES):
                for file in found:
                    path, about = (file["name"], file) if detail else (file, {})
                    name = path.rpartition("/")[2]
                    if name.endswith(".json"):
                        yield name, about

    def mark_done(self, song: str, facts: dict[str, Any]) -> None:
        """Write the marker of a song whose stems are there; another's marker stays."""
        self.write_once(done_file(song), json.dumps(facts).encode())

    def mark_failed(self, song: str, facts: dict[str, Any], *, final: bool, tries: int) -> None:
        """Write a row about a failure."""
        name = failed_file(song, FINAL if final else str(tries))
        self.write_once(name, json.dumps(facts).encode())

    def failures(self, song: str) -> int:
        """Return how often a song has failed for reasons that may pass."""
        folder = self.path(f"failed/{song[:2]}")
        self.fs.invalidate_cache(folder)
        try:
            found = self.fs.ls(folder, detail=False)
        except FileNotFoundError:
            return 0
        return sum(path.rpartition("/")[2].startswith(f"{song}.") for path in found)

    def forget(self, names: list[str]) -> None:
        """Delete files."""
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

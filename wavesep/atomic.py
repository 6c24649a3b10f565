"""Files that appear whole or not at all, one by itself or several together.

What is not whole yet lies in a folder beside the place where it will be, whose name is
``.wavesep-unfinished-`` and eight random characters. Nobody can guess that name, and nobody else
may enter the folder, so nothing that waits there can be in the way.

A killed run leaves that folder, and the next run that writes to the same place removes it. A run
holds a lock (``flock``) on the folder's file ``lock``, which ends with the process, whatever ends
that: a folder whose lock is free is nobody's. Where there are no such locks, it stays.

Several files get their names one after the other. First, all names are written to ``journal``. If
a name cannot be given, those that have been given are taken back. If the process is killed between
two names, the next run reads the journal and gives the others; if it cannot, it takes back. A file
gets its name by a hard link, which fails where a file has appeared in the meantime, and where there
are no hard links, by a look and a rename. A file that is replaced waits in the folder until all
names are given.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from .errors import DiskFullError, OutputError, OutputExistsError

if sys.platform != "win32":
    import fcntl

PREFIX = ".wavesep-unfinished-"
LOCK, JOURNAL = "lock", "journal"
TRIES = 100  # while other runs remove the folder because theirs have failed
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def write_whole(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file whole or not at all, in a folder that is made where it is missing.

    Raises
    ------
    OutputError
        If it cannot be written: see its subclasses.
    """
    path = Path(path)
    with writing(path), unfinished(path.parent) as place:
        part = place / "whole"
        part.write_bytes(content)
        settle(part)
        part.replace(path)


@contextmanager
def unfinished(home: Path) -> Iterator[Path]:
    """Make a folder for what is not whole yet, and remove it at the end.

    Parameters
    ----------
    home : Path
        Where that folder is; made where it is missing, and removed again if there is an error.
        What killed runs have left there is removed first.

    Yields
    ------
    Path

    Raises
    ------
    OutputError
        If it cannot be made.
    """
    missing = missing_folders([home])
    try:
        with writing(home):
            place, lock = make_place(home)
        try:
            yield place
        finally:
            remove(place, lock)
    except BaseException:
        remove_empty(missing)
        raise


def give_names(place: Path, names: dict[str, Path], *, overwrite: bool) -> None:
    """Give files their names: all of them, or none.

    Parameters
    ----------
    place : Path
        The folder that `unfinished` has made.
    names : dict of str to Path
        Of each file in ``place``, the path that it gets, below the parent of ``place``.
    overwrite : bool
        Replace files that exist.

    Raises
    ------
    OutputExistsError
        If a file exists and is not to be overwritten.
    OutputError
        If a name cannot be given.
    """
    home = place.parent
    targets = {part: os.path.relpath(path, home) for part, path in names.items()}
    missing = missing_folders(path.parent for path in names.values())
    try:
        with writing(home):
            marks = {part: mark(place / part) for part in names}
            draft = place / "draft"
            draft.write_text(
                json.dumps({"targets": targets, "marks": marks, "overwrite": overwrite})
            )
            settle(draft)
            with locked(home):
                draft.rename(place / JOURNAL)
                follow_journal(place)
    except BaseException:
        remove_empty(missing)
        raise


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raise OutputError for errors of the system in writing a file."""
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        if error.errno in NO_ROOM:
            reason = "could not be written in full: is the disk full?"
            raise DiskFullError(f"{path} {reason}") from error
        if error.errno == errno.EFBIG:
            reason = "could not be written in full: it is too large for its file system"
            raise DiskFullError(f"{path} {reason}") from error
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error


def settle(path: Path) -> None:
    """Wait until a file is on the disk, or raise what the system says."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def make_place(home: Path) -> tuple[Path, IO[bytes]]:
    """Remove what killed runs left, and make a locked folder, or raise OutputError.

    Returns
    -------
    folder : Path
    lock : file
    """
    for _ in range(TRIES):
        try:
            make_folder(home)
            with locked(home):
                sweep(home)
                place = Path(tempfile.mkdtemp(prefix=PREFIX, dir=home))
                lock = (place / LOCK).open("xb")
                take(lock)
                return place, lock
        except FileNotFoundError:  # another run, that has failed, removed it empty
            continue
    raise OutputError(f"{home} cannot be made: it disappears")


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, or raise OutputError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise OutputError(f"{folder} cannot be made: {error.strerror}") from error


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep others from giving names, making and sweeping in a folder, where it can be locked."""
    if sys.platform == "win32":
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def take(lock: IO[bytes]) -> bool:
    """Lock a file if nobody has locked it, and tell if that went well."""
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def sweep(home: Path) -> None:
    """Remove what killed runs have left, once the names that they were giving are given."""
    for place in sorted(home.glob(f"{PREFIX}*")):
        if place.is_symlink():
            continue
        with suppress(OSError):  # another user's, or another run has just removed it
            if not any(place.iterdir()):  # killed before it was locked
                place.rmdir()
                continue
            with (place / LOCK).open("r+b") as lock:
                if take(lock):
                    remove(place, lock)


def remove(place: Path, lock: IO[bytes]) -> None:
    """Remove the folder of a run that is over; its lock goes last."""
    if (place / JOURNAL).exists():
        with suppress(OutputError):
            follow_journal(place)
    with suppress(OSError):  # what cannot be removed, a later run may
        for file in sorted(place.iterdir(), key=lambda file: file.name == LOCK):
            file.unlink()
        lock.close()
        place.rmdir()


@dataclass(frozen=True)
class Naming:
    """A file that gets its name.

    Attributes
    ----------
    part : Path
        Where it waits.
    old : Path
        Where a file waits that it replaces.
    target : Path
        Its name.
    mark : list of int
        By which it is known under either name.
    """

    part: Path
    old: Path
    target: Path
    mark: list[int]

    def give(self, overwrite: bool) -> None:
        """Give the file its name, unless it has it, or raise OutputError."""
        if self.is_given() or not self.part.exists():
            return
        with writing(self.target):
            self.target.parent.mkdir(parents=True, exist_ok=True)
            if self.target.is_dir():
                raise OutputError(f"{self.target} is a folder: give another name")
            if overwrite and os.path.lexists(self.target):
                self.target.rename(self.old)
            try:
                link(self.part, self.target)
            except FileExistsError as error:
                raise exists_error(self.target) from error

    def take_back(self) -> None:
        """Take the name away again, and give the file that had it its own."""
        if self.is_given():
            if self.part.exists():
                self.target.unlink()
            else:
                self.target.rename(self.part)
        if os.path.lexists(self.old) and not os.path.lexists(self.target):
            self.old.rename(self.target)

    def is_given(self) -> bool:
        """Tell if the name is that of this file, and not of another one."""
        return os.path.lexists(self.target) and mark(self.target) == self.mark


def follow_journal(place: Path) -> None:
    """Give all names that a journal tells, or take back those that are given and raise OutputError.

    What is done already is left as it is, so this may be done again.
    """
    namings, overwrite = read_journal(place)
    try:
        for naming in namings:
            naming.give(overwrite)
    except BaseException:
        for naming in namings:
            naming.take_back()
        (place / JOURNAL).unlink()
        raise
    (place / JOURNAL).unlink()


def read_journal(place: Path) -> tuple[list[Naming], bool]:
    """Return what names are to be given, and whether files may be replaced.

    Raises
    ------
    OutputError
        If the journal is not one of ours, or a name leads out of the folder.
    """
    try:
        journal = json.loads((place / JOURNAL).read_text())
        names = {Path(part): Path(target) for part, target in journal["targets"].items()}
        if any(".." in path.parts or path.is_absolute() for path in (*names, *names.values())):
            raise ValueError("a name leads out of the folder")
        namings = [
            Naming(
                place / part,
                place / f"{part}.old",
                place.parent / target,
                journal["marks"][str(part)],
            )
            for part, target in names.items()
        ]
        return namings, bool(journal["overwrite"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise OutputError(f"{place / JOURNAL} is damaged: {error}") from error


def link(part: Path, target: Path) -> None:
    """Give a file a name, or raise FileExistsError if there is a file of that name."""
    try:
        target.hardlink_to(part)
    except FileExistsError:
        raise
    except OSError:  # no hard links here
        if os.path.lexists(target):
            raise FileExistsError(target) from None
        part.rename(target)


def mark(path: Path) -> list[int]:
    """Return numbers by which a file is known when it has another name."""
    about = path.lstat()
    return [about.st_ino, about.st_size, about.st_mtime_ns]


def exists_error(path: Path) -> OutputExistsError:
    """Return the error that a file is there."""
    return OutputExistsError(f"{path} exists: give another folder, or overwrite")


def missing_folders(folders: Iterable[Path]) -> list[Path]:
    """Return folders, and those above them, that are not there, the innermost first."""
    places = {place for folder in folders for place in (folder, *folder.parents)}
    missing = [place for place in places if not place.exists()]
    return sorted(missing, key=lambda place: len(place.parts), reverse=True)


def remove_empty(folders: list[Path]) -> None:
    """Remove folders that are empty."""
    for folder in folders:
        with suppress(OSError):  # another run may use it
            folder.rmdir()

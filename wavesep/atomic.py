"""Atomic writing: one file, or several together, appear complete or not at all.

Unfinished files are kept in a temporary folder in the output folder. Its name is
``.wavesep-unfinished-`` and eight random characters. Nobody can guess the name, and other users
cannot enter the folder, so no other file can be in its place.

A killed run leaves its folder behind. The next run that writes to the same output folder removes
it. While a run works, it holds a lock (``flock``) on the file ``lock`` in its folder. The lock ends
with the process, however the process ends, so a folder with a free lock belongs to no run. On
systems without such locks, the folder is not removed.

Several files get their final names one after the other. Before that, all names are written to
``journal``. If one file cannot get its name, the names already given are taken back. If the process
is killed between two names, the next run reads the journal and gives the remaining names; if that
fails, it takes back the names already given. A file gets its name by a hard link, which fails if
another file has appeared there in the meantime. Without hard links, the name is checked and the
file is renamed. A file that is replaced is kept in the folder until all names are given.
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
TRIES = 100  # other runs that fail may remove the empty output folder again
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def write_whole(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file completely or not at all; make its folder if it is missing.

    Raises
    ------
    OutputError
        If the file cannot be written: see its subclasses.
    """
    path = Path(path)
    with writing(path), unfinished(path.parent) as place:
        part = place / "whole"
        part.write_bytes(content)
        settle(part)
        part.replace(path)


@contextmanager
def unfinished(home: Path) -> Iterator[Path]:
    """Make a temporary folder for unfinished files, and remove it at the end.

    Parameters
    ----------
    home : Path
        Its parent, the output folder. It is made if it is missing, and removed again after an
        error. Folders that killed runs left in it are removed first.

    Yields
    ------
    Path
        The temporary folder.

    Raises
    ------
    OutputError
        If a folder cannot be made.
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
    """Give files their final names: all of them, or none.

    Parameters
    ----------
    place : Path
        The folder that `unfinished` made.
    names : dict of str to Path
        For each file in ``place``, its final path, below the parent of ``place``.
    overwrite : bool
        Replace files that exist.

    Raises
    ------
    OutputExistsError
        If a file exists and ``overwrite`` is false.
    OutputError
        If a file cannot get its name.
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
    """Turn the operating system's errors while a file is written into OutputError.

    Raises
    ------
    DiskFullError
        If the disk is full, or the file is too large for its file system.
    OutputError
        If the file cannot be written for another reason.
    """
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
    """Wait until a file is on the disk, or raise OSError."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def make_place(home: Path) -> tuple[Path, IO[bytes]]:
    """Remove the folders that killed runs left, and make a temporary folder with a lock.

    Returns
    -------
    folder : Path
    lock : file

    Raises
    ------
    OutputError
        If the folder cannot be made.
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
        except FileNotFoundError:  # another run failed and removed the empty folder
            continue
    raise OutputError(f"{home} cannot be made: other runs keep removing it, so try again")


def make_folder(folder: Path) -> None:
    """Make a folder and its missing parents, or raise OutputError.

    FileNotFoundError is raised if another run removes a parent in the meantime.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise OutputError(f"{folder} cannot be made: {error.strerror}") from error


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock a folder, if possible: other runs must not make, name or remove files in it."""
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
    """Lock a file that nobody has locked; return whether that succeeded."""
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def sweep(home: Path) -> None:
    """Remove the folders that killed runs left, after the names in their journals are given."""
    for place in sorted(home.glob(f"{PREFIX}*")):
        if place.is_symlink():
            continue
        with suppress(OSError):  # it is another user's, or another run has just removed it
            if not any(place.iterdir()):  # its run was killed before it made the lock
                place.rmdir()
                continue
            with (place / LOCK).open("r+b") as lock:
                if take(lock):
                    remove(place, lock)


def remove(place: Path, lock: IO[bytes]) -> None:
    """Remove the folder of a run that has ended, and its lock as the last file."""
    if (place / JOURNAL).exists():
        with suppress(OutputError):
            follow_journal(place)
    with suppress(OSError):  # a later run may be able to remove the rest
        for file in sorted(place.iterdir(), key=lambda file: file.name == LOCK):
            file.unlink()
        lock.close()
        place.rmdir()


@dataclass(frozen=True)
class Naming:
    """A file and its final name.

    Attributes
    ----------
    part : Path
        Its path in the temporary folder.
    old : Path
        Where the file that it replaces is kept until all names are given.
    target : Path
        Its final path.
    mark : list of int
        Identifies the file under both paths: see `mark`.
    """

    part: Path
    old: Path
    target: Path
    mark: list[int]

    def give(self, overwrite: bool) -> None:
        """Give the file its final name, unless it has it already.

        Raises
        ------
        OutputExistsError
            If a file exists and ``overwrite`` is false.
        OutputError
            If the file cannot get its name.
        """
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
        """Move the file back, and restore the file that it replaced."""
        if self.is_given():
            if self.part.exists():
                self.target.unlink()
            else:
                self.target.rename(self.part)
        if os.path.lexists(self.old) and not os.path.lexists(self.target):
            self.old.rename(self.target)

    def is_given(self) -> bool:
        """Return whether the final path is this file, and not another one."""
        return os.path.lexists(self.target) and mark(self.target) == self.mark


def follow_journal(place: Path) -> None:
    """Give all names of a journal; if one fails, take back the others.

    Names that have been given stay, so a journal can be followed twice.

    Raises
    ------
    OutputError
        If the journal is damaged, or a file cannot get its name.
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
    """Return the names to give, and whether existing files may be replaced.

    Raises
    ------
    OutputError
        If the journal is damaged, or a name leads out of the folder.
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
    """Give a file another name, or raise FileExistsError if a file has that name."""
    try:
        target.hardlink_to(part)
    except FileExistsError:
        raise
    except OSError:  # the file system has no hard links
        if os.path.lexists(target):
            raise FileExistsError(target) from None
        part.rename(target)


def mark(path: Path) -> list[int]:
    """Return numbers that identify a file whatever its name is."""
    about = path.lstat()
    return [about.st_ino, about.st_size, about.st_mtime_ns]


def exists_error(path: Path) -> OutputExistsError:
    """Return the error for a file that exists already."""
    return OutputExistsError(f"{path} exists: choose another folder, or overwrite it")


def missing_folders(folders: Iterable[Path]) -> list[Path]:
    """Return the folders and parent folders that do not exist, the innermost first."""
    places = {place for folder in folders for place in (folder, *folder.parents)}
    missing = [place for place in places if not place.exists()]
    return sorted(missing, key=lambda place: len(place.parts), reverse=True)


def remove_empty(folders: list[Path]) -> None:
    """Remove those folders that are empty."""
    for folder in folders:
        with suppress(OSError):  # another run may be using it
            folder.rmdir()

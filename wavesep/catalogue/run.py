"""The songs of a catalogue that are left, through an engine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass

from ..errors import CatalogueError
from .manifest import Song, digest
from .overseer import Outcome
from .store import Store, failed_file

BEFORE = 100  # songs before too many failures stop a catalogue

Outcomes = Generator[Outcome, None, None]
Engine = Callable[[Iterable[Song]], Outcomes]


@dataclass(frozen=True)
class Work:
    """What is left of a catalogue.

    Attributes
    ----------
    done : int
        Songs that are done.
    failed : list of Song
        Songs that failed for good.
    left : list of Song
        The others, the largest first, so that no large one is begun last.
    """

    done: int
    failed: list[Song]
    left: list[Song]

    @property
    def total(self) -> int:
        """All songs."""
        return self.done + len(self.failed) + len(self.left)


def share_of(songs: Iterable[Song], number: int, count: int) -> Iterator[Song]:
    """Yield one of ``count`` shares of songs, number 1 to ``count``."""
    for song in songs:
        if int(digest(song.id), 16) % count == number % count:
            yield song


def work_left(songs: Iterable[Song], store: Store) -> Work:
    """Compare songs with what an output holds."""
    return compared(songs, store.names("done"), store.final())


def compared(songs: Iterable[Song], marked: Collection[str], final: Collection[str]) -> Work:
    """Compare songs with the names of those that are done, and of those that failed for good."""
    done, failed, left = 0, [], []
    for song in songs:
        if song.name in marked:
            done += 1
        elif song.name in final:
            failed.append(song)
        else:
            left.append(song)
    left.sort(key=lambda song: -song.bytes)
    return Work(done, failed, left)


def forget_failures(songs: Iterable[Song], store: Store) -> None:
    """Delete the rows about the failures of songs, so that these are tried again."""
    names = {song.name for song in songs}
    rows = [name for name in store.names("failed") if name.partition(".")[0] in names]
    store.forget([failed_file(*name.split(".", 1)) for name in rows])


def run(work: Work, engine: Engine, most_failed: float | None = None) -> Outcomes:
    """Separate the songs that are left, and yield how each ended.

    Parameters
    ----------
    work : Work
    engine : callable
    most_failed : float, optional
        Stop when more than this share of at least 100 songs has failed. Default: never.

    Raises
    ------
    CatalogueError
        If no worker can start, or too many songs fail.
    """
    ended, codes = 0, Counter[str]()
    with closing(engine(work.left)) as outcomes:
        for outcome in outcomes:
            ended += 1
            if outcome.failed:
                codes[outcome.facts["code"]] += 1
            yield outcome
            failed = codes.total()
            if most_failed is not None and ended >= BEFORE and failed > most_failed * ended:
                code, _ = codes.most_common(1)[0]
                raise CatalogueError(
                    f"stopped, because {failed} of {ended} songs failed, most of them by {code}"
                )

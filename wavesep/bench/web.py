"""The web application against the command line, and under load; on the loopback alone."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.client import HTTPResponse
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np

from ..remote.server import Server
from ..web.config import Config
from .memory import memory_of
from .processes import run, separation, separation_peak, write_song
from .timing import Row, alternate, median, ratio

LONG, SHORT = 240, 15  # seconds of songs
QUEUE = 20  # songs at once
LISTENERS = 200  # event streams
OF_USER = 5  # of them of one user
QUESTIONS = 200  # requests whose times are measured
LOOK = 0.05  # seconds between two looks at a job
PACE = 0.5  # the same for a queue, as pages hear of it: more looks would slow the songs down
FIRST = 4_410  # samples that are asked for as the first sound


class Site:
    """A running server, and a user of it.

    Attributes
    ----------
    ask : callable
        `Server.ask` of `wavesep.remote`.
    """

    def __init__(self, address: str, token: str) -> None:
        self.address, self.token = address, token
        self.ask = Server(address, token, insecure=False).ask

    def submit(self, song: Path) -> str:
        """Upload a song and queue it; return the job."""
        content = song.read_bytes()
        made = self.ask("POST", "/songs", {"name": song.name, "bytes": len(content)})["id"]
        for at in range(0, len(content), 8_000_000):
            piece = content[at : at + 8_000_000]
            self.ask("PUT", f"/songs/{made}/body", piece, {"Upload-Offset": str(at)})
        job: str = self.ask("POST", "/jobs", {"song": made, "codec": "flac"})["id"]
        return job

    def wait(self, job: str, pause: float = LOOK) -> None:
        """Wait until a job is done; look at it again after each pause."""
        while (state := self.ask("GET", f"/jobs/{job}")["state"]) != "done":
            if state in ("failed", "cancelled"):
                raise RuntimeError(f"a job is {state}")
            time.sleep(pause)

    def separate(self, *songs: Path) -> None:
        """Upload songs, and wait until all stems can be downloaded."""
        for job in [self.submit(song) for song in songs]:
            self.wait(job, PACE if len(songs) > 1 else LOOK)

    def first_sound(self, song: Path) -> None:
        """Upload a song, and wait until a stem can be heard; then cancel the job."""
        job = self.submit(song)
        while not self.is_heard(job):
            time.sleep(LOOK)
        self.ask("POST", f"/jobs/{job}/cancel")

    def is_heard(self, job: str) -> bool:
        """Return whether the first samples of the vocals are there."""
        try:
            self.get(f"/jobs/{job}/pcm/vocals?at=0&count={FIRST}").close()
        except HTTPError as error:
            if error.code != 425:
                raise
            return False
        return True

    def get(self, path: str, token: str = "") -> HTTPResponse:
        """Open an answer of the interface."""
        headers = {"Authorization": f"Bearer {token or self.token}"}
        request = Request(f"{self.address}/api/v1{path}", headers=headers)
        answer: HTTPResponse = urlopen(request, timeout=60)
        return answer


@contextmanager
def served(model: str) -> Iterator[Site]:
    """Run a server in a data folder of its own."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        config = Config(data=folder, model=model, least_free=0)
        os.environ.update(config.to_environment())
        import django

        django.setup()
        from django.core.management import call_command

        from ..web.supervisor import supervise

        call_command("migrate", verbosity=0)
        stop = threading.Event()
        thread = threading.Thread(target=supervise, args=(config, listener, stop))
        thread.start()
        try:
            yield Site(f"http://127.0.0.1:{listener.getsockname()[1]}", new_user("bench"))
        finally:
            stop.set()
            thread.join()


def new_user(name: str) -> str:
    """Make a user; return a token."""
    from django.contrib.auth.models import User

    from ..web.access import new_token

    return new_token(User.objects.create_user(name), "bench")


def web_speed(model: str, device: str) -> list[Row]:
    """Time the server against ``wavesep separate`` of the same files, in turns."""
    with tempfile.TemporaryDirectory() as name, served(model) as site:
        folder = Path(name)
        song = write_song(folder, LONG)
        album = folder / "album"
        album.mkdir()
        songs = []
        for n in range(QUEUE):
            songs.append(write_song(album, SHORT).rename(album / f"{n}.wav"))
        command = [*separation(song, folder / "out", model, device), "--flac"]
        all_songs = [*separation(album, folder / "out", model, device), "--flac"]
        functions: dict[str, Callable[[], object]] = {
            "command": partial(run, ["-m", "wavesep", *command]),
            "drop to stems": partial(site.separate, song),
            "drop to first sound": partial(site.first_sound, song),
            "command, 20 songs": partial(run, ["-m", "wavesep", *all_songs]),
            "queue of 20 songs": partial(site.separate, *songs),
        }
        site.separate(songs[0])
        times = alternate(functions, rounds=3)
    pairs = {"queue of 20 songs": "command, 20 songs"}
    return [
        {
            "measure": name,
            "seconds": median(times, name),
            "times the command": ratio(times, name, pairs.get(name, "command")),
        }
        for name in functions
        if not name.startswith("command")
    ]


def web_load(model: str, device: str) -> list[Row]:
    """Measure memory and answers of the server with 200 event streams while a worker runs."""
    with tempfile.TemporaryDirectory() as name, served(model) as site, ExitStack() as stack:
        song = write_song(Path(name), LONG)
        tokens = [new_user(f"listener {n}") for n in range(LISTENERS // OF_USER)]
        for token in tokens * OF_USER:
            stack.enter_context(site.get("/events", token))
        job = site.submit(song)
        while not site.is_heard(job):
            time.sleep(LOOK)
        spent = [time_of(lambda: site.ask("GET", f"/jobs/{job}")) for _ in range(QUESTIONS)]
        running = site.ask("GET", f"/jobs/{job}")["state"] == "running"
        site.wait(job)
        peaks = peaks_of_children()
        command = separation_peak(song, Path(name) / "out", model, device)
    if not running:
        raise RuntimeError("the job ended before all questions were asked")
    values = {
        "web process, MB, 200 event streams": peaks["web"] / 1e6,
        "worker, times the command's memory": peaks["worker"] / command,
        "answers, ms, median": 1000 * float(np.median(spent)),
        "answers, ms, 99th percentile": 1000 * float(np.quantile(spent, 0.99)),
    }
    return [{"measure": name, "value": value} for name, value in values.items()]


def time_of(function: Callable[[], object]) -> float:
    """Return the seconds of a call."""
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


def peaks_of_children() -> dict[str, int]:
    """Return the peak resident memory of the processes of this server, in bytes, by their kind.

    Raises
    ------
    OSError
        If the system is not Linux.
    """
    listed = subprocess.run(
        ["ps", "--ppid", str(os.getpid()), "-o", "pid=,args="],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    peaks = {}
    for process, *words in map(str.split, listed.stdout.splitlines()):
        if "wavesep.web.processes" in words:
            kind = words[words.index("wavesep.web.processes") + 1]
            peaks[kind] = memory_of(int(process))
    return peaks

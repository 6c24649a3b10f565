"""Many users at once, on the loopback alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from wavesep.bench.memory import memory_of
from wavesep.web.config import Config

from .conftest import Caller, Server, song, within

USERS, LISTENERS, UPLOADS = 50, 200, 20
SECONDS = 20.0  # of the load
PAUSE = 0.5  # of each user between two requests
JOBS, ROUNDS = 2_000, 20
MOST_MEMORY = 200_000_000  # bytes of the web process
NEW_USERS = """
import json, sys, django
django.setup()
from django.contrib.auth.models import User
from wavesep.web.access import new_token
users = [User.objects.create(username=f"user {n}") for n in range(int(sys.argv[1]))]
print(json.dumps([new_token(user, "load") for user in users]))
"""


def new_tokens(config: Config, count: int) -> list[str]:
    """Make users; return a token of each."""
    made = subprocess.run(
        [sys.executable, "-c", NEW_USERS, str(count)], capture_output=True, text=True, check=True,
        env=os.environ | config.to_environment(),
    )  # fmt: skip
    tokens: list[str] = json.loads(made.stdout)
    return tokens


class User:
    """Somebody who sends requests and counts the answers by their status."""

    def __init__(self, site: str, token: str, seen: Counter[int]) -> None:
        self.site, self.token, self.seen = site, token, seen

    def open(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """Send a request; return the answer, or nothing if it is refused."""
        headers = {"Authorization": f"Bearer {self.token}", "Upload-Offset": "0"}
        request = Request(f"{self.site}/api/v1{path}", body, headers, method=method)
        try:
            with urlopen(request, timeout=60) as answer:
                self.seen[answer.status] += 1
                content: bytes = answer.read()
                return content
        except HTTPError as error:
            self.seen[error.code] += 1
            return b""

    def look_around(self, until: float) -> None:
        """List jobs again and again."""
        while time.monotonic() < until:
            self.open("GET", "/jobs")
            time.sleep(PAUSE)

    def upload(self, content: bytes) -> None:
        """Upload a song and queue it."""
        new = json.dumps({"name": "song.wav", "bytes": len(content)}).encode()
        key = json.loads(self.open("POST", "/songs", new))["id"]
        self.open("PUT", f"/songs/{key}/body", content)
        self.open("POST", "/jobs", json.dumps({"song": key}).encode())


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["SQLite", "PostgreSQL"])
def test_fifty_users_two_hundred_listeners_and_twenty_uploads(
    request: pytest.FixtureRequest, tiny_file: Path, tmp_path: Path, kind: str
) -> None:
    database = request.getfixturevalue("database") if kind == "PostgreSQL" else ""
    server = Server(tmp_path, "--model", str(tiny_file), "--database", database)
    seen: Counter[int] = Counter()
    tokens = new_tokens(Config(data=str(tmp_path), database=database), USERS)
    users = [User(server.site, token, seen) for token in tokens]
    content, until = song(40.0), time.monotonic() + SECONDS
    acts = [threading.Thread(target=user.look_around, args=(until,)) for user in users]
    acts += [threading.Thread(target=users[n].upload, args=(content,)) for n in range(UPLOADS)]
    with ExitStack() as streams:
        for n in range(LISTENERS):
            token = users[n % USERS].token
            listen = Request(
                f"{server.site}/api/v1/events", headers={"Authorization": f"Bearer {token}"}
            )  # fmt: skip
            streams.enter_context(urlopen(listen, timeout=60))
        for act in acts:
            act.start()
        for act in acts:
            act.join()
        web = next(number for number, kind in server.children().items() if kind == "web")
        assert memory_of(web) <= MOST_MEMORY
    assert set(seen) <= {200, 201, 202}, seen
    server.stop()


@pytest.mark.slow
def test_two_thousand_jobs_leave_nothing(tiny_file: Path, tmp_path: Path) -> None:
    server = Server(tmp_path, "--model", str(tiny_file))
    caller, content = Caller(server), song(0.5)
    used = []
    for _ in range(ROUNDS):
        jobs = [caller.submit(content) for _ in range(JOBS // ROUNDS)]
        within(300, partial(are_done, caller, jobs))
        while page := caller("GET", "/songs"):
            for each in page:
                caller("DELETE", f"/songs/{each['id']}")
        used.append(
            {kind: (memory_of(number, "VmRSS"), files_of(number))
             for number, kind in server.children().items()}
        )  # fmt: skip
    for kind in ("web", "worker"):
        warm, last = used[2][kind], used[-1][kind]
        assert last[0] < 1.1 * warm[0], f"memory of the {kind} process: {used}"
        assert last[1] <= warm[1] + 2, f"open files of the {kind} process: {used}"
    assert [path for name in ("songs", "stems") for path in (tmp_path / name).iterdir()] == []
    server.stop()


def are_done(caller: Caller, jobs: list[str]) -> bool:
    """Return whether all jobs are done."""
    return all(caller("GET", f"/jobs/{job}")["state"] == "done" for job in jobs)


def files_of(process: int) -> int:
    """Return how many files a process has open."""
    return len([*Path(f"/proc/{process}/fd").iterdir()])

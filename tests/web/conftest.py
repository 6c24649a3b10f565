"""A database and a data folder for the tests of the web application."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import django
import pytest
import uvicorn
from django.conf import settings

from wavesep.web.config import Config

# Django reads its settings when a model is first imported, so they must be there before the tests
DATA = Path(tempfile.mkdtemp(prefix="wavesep-web-"))
CONFIG = Config(
    data=str(DATA),
    database=os.environ.get("WAVESEP_TEST_DATABASE", ""),
    longest_song=60.0,
    model=str(DATA / "tiny.safetensors"),
)
os.environ.update(CONFIG.to_environment())
django.setup()
if not CONFIG.database:  # no commit of these tests has to survive a power cut
    settings.DATABASES["default"]["OPTIONS"]["init_command"] = (
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"
    )
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # a fast one

from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.utils import timezone  # noqa: E402
from servestatic.middleware import ServeStaticMiddleware  # type: ignore[import-untyped] # noqa: E402

from wavesep.web import storage  # noqa: E402
from wavesep.web.asgi import application  # noqa: E402
from wavesep.web.models import Job, Song  # noqa: E402
from wavesep.web.stores import Store  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def database() -> Iterator[None]:
    """Make the tables; remove the data folder at the end."""
    call_command("migrate", verbosity=0)
    yield
    shutil.rmtree(DATA)


@pytest.fixture(scope="session", autouse=True)
def files_found_once() -> Iterator[None]:
    """Find the static files once: each client of Django's looks through all packages again."""
    find = ServeStaticMiddleware.add_files_from_finders
    found: list[dict[str, Any]] = []

    def find_once(middleware: ServeStaticMiddleware) -> None:
        if not found:
            find(middleware)
            found.append({name: getattr(middleware, name) for name in ("files", "directories")})
        vars(middleware).update(found[0])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ServeStaticMiddleware, "add_files_from_finders", find_once)
        yield


@pytest.fixture(autouse=True)
def _empty() -> Iterator[None]:
    """Leave an empty database and no files."""
    yield
    User.objects.all().delete()
    for name in ("songs", "stems", "incoming", "cache"):
        shutil.rmtree(DATA / name, ignore_errors=True)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """An empty store in memory, which is used instead of the data folder."""
    store = Store("memory://wavesep-tests")
    monkeypatch.setattr(storage, "STORE", store)
    yield store
    store.delete("")


@pytest.fixture(params=["folder", "store"])
def place(request: pytest.FixtureRequest) -> None:
    """Songs and stems are in the data folder, then in a store."""
    if request.param == "store":
        request.getfixturevalue("store")


class WebServer:
    """A server in a thread. After a stop, it can be started again at the same port."""

    def __init__(self) -> None:
        self.port = 0
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the server; requests can be sent as soon as this returns."""
        listener = socket.create_server(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(application, log_level="critical", lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listener]})
        self._thread.start()

    def stop(self) -> None:
        """Stop the server, if it runs."""
        if self._thread:
            self._server.should_exit = True
            self._thread.join()
            self._thread = None


@pytest.fixture(scope="module")
def web() -> Iterator[WebServer]:
    """A running server."""
    server = WebServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def owner() -> User:
    """Somebody who owns songs."""
    return User.objects.create_user("ada")


def new_job(owner: User, seconds: float = 10.0, **settings: object) -> Job:
    """Queue a job for a new song."""
    song = Song.objects.create(
        owner=owner, title="song.wav", state=Song.State.READY, seconds=seconds, channels=2,
        sample_rate=44_100, expires=timezone.now() + timedelta(days=1),
    )  # fmt: skip
    return Job.objects.create(owner=owner, song=song, model=CONFIG.model, **settings)

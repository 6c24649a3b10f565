"""The kinds of processes of a server: ``python -m wavesep.web.processes web|worker|live``.

`wavesep.web.supervisor` starts the first two, and the web process those for live sound. Their
standard input is a pipe from the process that starts them: when it ends, because that process was
killed, they end, too.
"""

from __future__ import annotations

import logging
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

import django
import uvicorn

from .config import Config, read_config
from .live_process import answer_questions
from .logs import set_up_log

log = logging.getLogger(__name__)

NICENESS = 5  # of workers, so that pages stay quick while songs are separated
GRACE = 5  # seconds for open requests when the web process ends
LARGEST_MESSAGE = 2_000_000  # bytes of live sound
SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run_web(config: Config, listener: socket.socket) -> None:
    """Answer requests until a signal arrives or standard input ends."""
    server = uvicorn.Server(
        uvicorn.Config(
            "wavesep.web.asgi:application", log_config=None, lifespan="off",
            server_header=False, timeout_graceful_shutdown=GRACE,
            proxy_headers=bool(config.proxy), forwarded_allow_ips=config.proxy or None,
            ws_max_size=LARGEST_MESSAGE, ws_per_message_deflate=False,  # sound hardly gets smaller
        )
    )  # fmt: skip

    def end() -> None:
        server.should_exit = True

    at_the_end_of_input(end)
    if config.store:
        keep_clean()
    with suppress(KeyboardInterrupt):  # uvicorn raises it again after it has closed all
        server.run(sockets=[listener])


def keep_clean() -> None:
    """Delete in a thread what has expired: copies of the store's files, which are only here."""
    django.setup()
    from .retention import sweep_forever  # Django must be set up first

    threading.Thread(target=sweep_forever, daemon=True).start()


def run_worker(config: Config) -> None:
    """Work on jobs until a signal arrives; the job that is being worked on is handed back."""
    limit_memory(config)
    django.setup()
    from .worker import Worker  # Django must be set up first

    worker = Worker(config)

    def stop(*_: object) -> None:
        worker.stop.set()

    for number in SIGNALS:
        signal.signal(number, stop)
    log.info("worker %s waits for jobs", worker.name)
    worker.run()


def limit_memory(config: Config) -> None:
    """Let this process have no more memory than the settings allow."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (config.most_memory, hard))


def at_the_end_of_input(act: Callable[[], None]) -> None:
    """Call a function when the standard input of this process ends."""

    def wait() -> None:
        sys.stdin.read()
        act()

    threading.Thread(target=wait, daemon=True).start()


def main(kind: str, *descriptor: str) -> None:
    """Run a process of a server."""
    config = read_config()
    set_up_log(config)
    if kind == "web":
        run_web(config, socket.socket(fileno=int(descriptor[0])))
    elif kind == "live":
        limit_memory(config)
        answer_questions(config.live_model)
    else:
        os.nice(NICENESS)
        at_the_end_of_input(lambda: os.kill(os.getpid(), signal.SIGTERM))
        run_worker(config)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The logs of a server's processes: plain lines for people, or JSON for programs."""

from __future__ import annotations

import logging
import sys

from pythonjsonlogger.json import JsonFormatter

from .config import Config

PLAIN = "%(asctime)s %(levelname)-7s %(message)s"
FIELDS = "%(asctime)s %(levelname)s %(name)s %(process)d %(message)s"


def set_up_log(config: Config) -> None:
    """Write the log of this process to standard error; see `Config.json_log`."""
    handler = logging.StreamHandler(sys.stderr)
    if config.json_log:
        handler.setFormatter(JsonFormatter(FIELDS, rename_fields={"asctime": "time"}))
    else:
        handler.setFormatter(logging.Formatter(PLAIN, "%H:%M:%S"))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("wavesep.web").setLevel(logging.INFO)
    # each request is a line for programs only
    logging.getLogger("uvicorn").setLevel(logging.INFO if config.json_log else logging.WARNING)
    # a refusal, like 404, is the client's mistake
    logging.getLogger("django.request").setLevel(logging.ERROR)

"""The errors that the interface reports: a status, a code for programs and a message for people."""

from __future__ import annotations

import logging

log = logging.getLogger(__name__)


class Problem(Exception):
    """A request cannot be answered.

    Attributes
    ----------
    status : int
        The status of HTTP.
    code : str
        For programs; it never changes.
    message : str
        For people: what is wrong and what to do.
    headers : dict of str to str
        Further headers of the answer.
    """

    def __init__(
        self, status: int, code: str, message: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}


def not_found() -> Problem:
    """Return the answer for what is not there, or belongs to somebody else."""
    return Problem(404, "not_found", "there is no such thing, or it is not yours")


def out_of_reach(error: Exception) -> Problem:
    """Log why a store cannot be used, and return the answer for what needs it."""
    log.warning("%s", error)
    return Problem(
        503, "store", "the store of the server cannot be reached: try again later",
        {"Retry-After": "5"},
    )  # fmt: skip


def unauthorised() -> Problem:
    """Return the answer to a request without valid credentials."""
    return Problem(401, "unauthorised", "log in, or send a token")

"""A file system whose n-th call fails, or is the last that works."""

from __future__ import annotations

from typing import Any

from fsspec.implementations.memory import MemoryFileSystem


class FaultyFileSystem(MemoryFileSystem):
    """Files in memory; see `countdown`.

    Attributes
    ----------
    countdown : int
        Calls that still work. The next one fails before it does anything.
    """

    protocol = "countdown"
    store: dict[str, Any] = {}  # noqa: RUF012 -- shared by all, as in the parent
    pseudo_dirs = [""]  # noqa: RUF012
    countdown = 10**9

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path.removeprefix("countdown:/")))

    @classmethod
    def call(cls) -> None:
        """Count a call, and maybe fail."""
        cls.countdown -= 1
        if cls.countdown == -1:
            raise OSError("the store does not answer")

    def _open(self, *args: Any, **kwargs: Any) -> Any:
        self.call()
        return super()._open(*args, **kwargs)

    def ls(self, *args: Any, **kwargs: Any) -> Any:
        """List files, or fail."""
        self.call()
        return super().ls(*args, **kwargs)

    def info(self, *args: Any, **kwargs: Any) -> Any:
        """Look at a file, or fail."""
        self.call()
        return super().info(*args, **kwargs)

    def pipe_file(self, *args: Any, **kwargs: Any) -> Any:
        """Write a file, or fail."""
        self.call()
        return super().pipe_file(*args, **kwargs)

    def cat_file(self, *args: Any, **kwargs: Any) -> Any:
        """Read a file, or fail."""
        self.call()
        return super().cat_file(*args, **kwargs)

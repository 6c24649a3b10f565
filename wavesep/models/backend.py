"""Load Keras's backend, or name the package to install."""

from __future__ import annotations

from importlib import import_module

from ..errors import OptionError


def load_backend() -> None:
    """Import Keras and its backend, which takes seconds the first time.

    Raises
    ------
    OptionError
        If the backend is not installed, or Keras does not know its name.
    """
    try:
        import_module("keras")
    except ModuleNotFoundError as error:
        package = (error.name or "keras").split(".")[0]
        raise OptionError(
            f"Keras needs {package}, which is not installed: pip install {package}, or set "
            "KERAS_BACKEND to the one that is: tensorflow, jax or torch"
        ) from error
    except ValueError as error:
        raise OptionError(f"{error}: set KERAS_BACKEND to tensorflow, jax or torch") from error

"""The memory of a process, as Linux states it."""

from __future__ import annotations

from pathlib import Path


def memory_of(process: int | str, figure: str = "VmHWM") -> int:
    """Return a figure of the memory of a process, in bytes.

    Parameters
    ----------
    process : int or str
        Its number, or "self".
    figure : str
        A name in ``/proc/PROCESS/status``; "VmHWM" is the peak resident memory.

    Raises
    ------
    OSError
        If the process has ended, or the system is not Linux.
    """
    status = Path(f"/proc/{process}/status").read_text()
    return 1024 * int(status.partition(f"{figure}:")[2].split()[0])

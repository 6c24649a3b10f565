"""Checkpoints, from which a killed run resumes exactly."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ..errors import ModelFileError, OtherRunError
from ..models.arrays import Arrays, parse_arrays, save_arrays
from ..workers import place, shared


@dataclass
class Progress:
    """The progress of a run.

    Epoch and step are also the generator's position: its batches are a pure function of them.

    Attributes
    ----------
    settings : dict
        Of the run. Only a run with the same settings can resume.
    scores : list of float
        Validation score after each epoch that is done: `Score.best`.
    step : int
        Steps that are done in the epoch after those.
    loss : float
        Mean loss of these steps.
    """

    settings: dict[str, Any]
    scores: list[float] = field(default_factory=list)
    step: int = 0
    loss: float = 0.0

    @property
    def epoch(self) -> int:
        """Number of epochs that are done; also the index of the next one."""
        return len(self.scores)

    @property
    def best_epoch(self) -> int:
        """Index of the first epoch with the best score; -1 before the first score."""
        return int(np.argmax(self.scores)) if self.scores else -1

    @property
    def epochs_since_best(self) -> int:
        """Number of epochs after the best one."""
        return self.epoch - 1 - self.best_epoch


def save_checkpoint(path: Path, network: keras.Model, progress: Progress) -> None:
    """Write weights, optimizer and progress as one file, whole or not at all.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    save_arrays(state_arrays(network), {"progress": json.dumps(asdict(progress))}, path)


def load_checkpoint(path: Path, network: keras.Model, settings: dict[str, Any]) -> Progress:
    """Restore a compiled network and return the progress of its run.

    Parameters
    ----------
    path : Path
        Of the checkpoint. If there is no such file, the run begins. Of several workers, only
        worker 0 needs it.
    network : keras.Model
        Compiled, with its optimizer built. Its weights and its optimizer's state are set.
    settings : dict
        Of this run, in the types of JSON.

    Returns
    -------
    Progress

    Raises
    ------
    OtherRunError
        If the checkpoint is of a run with other settings.
    ModelFileError
        If the file is damaged, not a checkpoint, or of another network or optimizer.
    """
    content = shared(read_checkpoint(path) if place()[0] == 0 else b"")
    if not content:
        return Progress(settings)
    try:
        arrays, metadata = parse_arrays(content)
    except ModelFileError as error:
        raise ModelFileError(f"{path} is {error}") from error
    try:
        progress = Progress(**json.loads(metadata["progress"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"{path} is not a checkpoint of this version: move it") from error
    # the first checkpoints do not contain the kind
    known = {"kind": settings.get("kind")} | progress.settings
    if changed := [k for k in settings if known.get(k) != settings[k]]:
        raise OtherRunError(
            f"{path} is of a run with {changed[0]}={known.get(changed[0])}, "
            f"not {settings[changed[0]]}: use the settings of that run, or another folder"
        )
    progress.settings = settings
    variables = state_variables(network)
    if {name: v.shape for name, v in variables.items()} != {n: a.shape for n, a in arrays.items()}:
        raise ModelFileError(f"{path} is of another network or optimizer: move it")
    for name, variable in variables.items():
        variable.assign(arrays[name])
    return progress


def read_checkpoint(path: Path) -> bytes:
    """Return the file's content, or nothing if there is no file.

    Raises
    ------
    ModelFileError
        If it cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error.strerror}") from error


def state_variables(network: keras.Model) -> dict[str, keras.Variable]:
    """Return all variables that training changes, weights and optimizer, by position."""
    weights = {f"weights/{i}": v for i, v in enumerate(network.variables)}
    return weights | {f"optimizer/{i}": v for i, v in enumerate(network.optimizer.variables)}


def state_arrays(network: keras.Model) -> Arrays:
    """Return the values of `state_variables`."""
    return {
        name: keras.ops.convert_to_numpy(v.value) for name, v in state_variables(network).items()
    }


class Rest(keras.utils.PyDataset):
    """A data set without its first batches: the rest of an epoch.

    Parameters
    ----------
    examples : PyDataset
    first : int
        Number of batches that are left out.
    """

    def __init__(self, examples: keras.utils.PyDataset, first: int) -> None:
        super().__init__(workers=1)
        self.examples = examples
        self.first = first

    def __len__(self) -> int:
        """Return the number of batches that are left."""
        return len(self.examples) - self.first

    def __getitem__(self, index: int) -> Any:
        """Return a batch; index 0 is the first that is left."""
        return self.examples[self.first + index]


def trim_log(path: Path, steps: int) -> None:
    """Remove the lines of a log after this many steps: these steps are repeated."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        try:
            if json.loads(line)["step"] <= steps:
                kept.append(line)
        except (KeyError, TypeError, ValueError):  # the run was killed while it wrote the line
            continue
    part = path.with_name(f".{path.name}.part")
    part.write_text("".join(kept), encoding="utf-8")
    part.replace(path)


def append_log(path: Path, record: dict[str, Any]) -> None:
    """Add a line of JSON to a log."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")

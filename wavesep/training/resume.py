"""Checkpoints, from which a killed run goes on exactly."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ..errors import ModelFileError, OtherRunError
from ..models.arrays import Arrays, load_arrays, save_arrays


@dataclass
class Progress:
    """The progress of a run.

    The generator's position is epoch and step: its batches are a pure function of these.

    Attributes
    ----------
    settings : dict
        Of the run; a checkpoint goes on only under the settings that it was made with.
    scores : list of float
        Validation SI-SDR after each epoch that is done.
    step : int
        Steps that are done of the epoch after those.
    loss : float
        Mean loss of these steps.
    """

    settings: dict[str, Any]
    scores: list[float] = field(default_factory=list)
    step: int = 0
    loss: float = 0.0

    @property
    def epoch(self) -> int:
        """Number of epochs that are done, and of the next one to run."""
        return len(self.scores)

    @property
    def best_epoch(self) -> int:
        """The first epoch with the best score; -1 before there is one."""
        return int(np.argmax(self.scores)) if self.scores else -1

    @property
    def epochs_since_best(self) -> int:
        """Epochs done since the best one."""
        return self.epoch - 1 - self.best_epoch


def save_checkpoint(path: Path, network: keras.Model, progress: Progress) -> None:
    """Write weights, optimizer and progress as one file, whole or not at all."""
    save_arrays(state_arrays(network), {"progress": json.dumps(asdict(progress))}, path)


def load_checkpoint(path: Path, network: keras.Model, settings: dict[str, Any]) -> Progress:
    """Restore a compiled network and return how far its run has come.

    Parameters
    ----------
    path : Path
        Where `save_checkpoint` wrote. If nothing is there, the run begins.
    network : keras.Model
        Compiled; its weights and its optimizer are set.
    settings : dict
        Of this run, as JSON has them.

    Returns
    -------
    Progress

    Raises
    ------
    OtherRunError
        If the checkpoint is of a run with other settings.
    ModelFileError
        If the checkpoint is damaged, or no checkpoint.
    """
    if not path.exists():
        return Progress(settings)
    arrays, metadata = load_arrays(path)
    try:
        progress = Progress(**json.loads(metadata["progress"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"{path} is no checkpoint of this version: move it away") from error
    # the first checkpoints do not tell the kind
    known = {"kind": settings.get("kind")} | progress.settings
    if changed := [k for k in settings if known.get(k) != settings[k]]:
        raise OtherRunError(
            f"{path} is of a run with another {changed[0]} "
            f"({known.get(changed[0])}, not {settings[changed[0]]}): "
            "use the settings of that run, or another folder"
        )
    progress.settings = settings
    network.optimizer.build(network.trainable_variables)
    variables = state_variables(network)
    if {name: v.shape for name, v in variables.items()} != {n: a.shape for n, a in arrays.items()}:
        raise ModelFileError(f"{path} is of another network or optimizer: move it away")
    for name, variable in variables.items():
        variable.assign(arrays[name])
    return progress


def state_variables(network: keras.Model) -> dict[str, keras.Variable]:
    """Return all that training changes in a network, by position: weights and optimizer."""
    weights = {f"weights/{i}": v for i, v in enumerate(network.variables)}
    return weights | {f"optimizer/{i}": v for i, v in enumerate(network.optimizer.variables)}


def state_arrays(network: keras.Model) -> Arrays:
    """Return the values of `state_variables`."""
    return {
        name: keras.ops.convert_to_numpy(v.value) for name, v in state_variables(network).items()
    }


class Rest(keras.utils.PyDataset):
    """A data set without its first batches: what is left of an epoch.

    Parameters
    ----------
    examples : PyDataset
    first : int
        Batches that are left out.
    """

    def __init__(self, examples: keras.utils.PyDataset, first: int) -> None:
        super().__init__(workers=1)
        self.examples = examples
        self.first = first

    def __len__(self) -> int:
        """Return the number of batches that are left."""
        return len(self.examples) - self.first

    def __getitem__(self, index: int) -> Any:
        """Return a batch, counted from the first that is left."""
        return self.examples[self.first + index]


def trim_log(path: Path, steps: int) -> None:
    """Remove the lines that a killed run wrote after its checkpoint: these steps run again."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        try:
            if json.loads(line)["step"] <= steps:
                kept.append(line)
        except (KeyError, TypeError, ValueError):  # cut by the kill
            continue
    part = path.with_name(f".{path.name}.part")
    part.write_text("".join(kept), encoding="utf-8")
    part.replace(path)


def append_log(path: Path, record: dict[str, Any]) -> None:
    """Add a line of JSON to a log."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")

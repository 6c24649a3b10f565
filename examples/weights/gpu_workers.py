"""The workers of train_on_gpu.py, one for each GPU, which torchrun starts (PyTorch)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import timedelta
from typing import TypeVar

import torch
from torch import distributed

DEAD = timedelta(seconds=60)  # after which a worker that does not answer is dead
VALIDATING = timedelta(hours=1)  # in which worker 0 has measured and saved

Given = TypeVar("Given")


class Workers:
    """What one worker knows of all; without torchrun, it is alone.

    Attributes
    ----------
    rank : int
        Of this worker. Worker 0 measures, saves and shows.
    count : int
        Number of workers.
    device : torch.device
        Of this worker.
    """

    def __init__(self) -> None:
        self.rank = int(os.environ.get("RANK", 0))
        self.count = int(os.environ.get("WORLD_SIZE", 1))
        self.device = torch.device("cpu")
        if torch.cuda.is_available():
            self.device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
            torch.cuda.set_device(self.device)
        if self.count > 1:
            distributed.init_process_group(
                "nccl" if self.device.type == "cuda" else "gloo", timeout=DEAD
            )
            self._patient = distributed.new_group(backend="gloo", timeout=VALIDATING)

    def part(self) -> None:
        """Close the connections to the other workers."""
        if self.count > 1:
            distributed.destroy_process_group()

    def average(self, numbers: torch.Tensor) -> None:
        """Replace numbers by their means over all workers."""
        if self.count > 1:
            distributed.all_reduce(numbers)
            numbers.div_(self.count)

    def tell(self, number: float) -> float:
        """Return the number that worker 0 gives."""
        if self.count == 1:
            return number
        told = torch.tensor([number], dtype=torch.float64, device=self.device)
        distributed.broadcast(told, 0)
        return told.item()

    def give(self, thing: Given, tensors: Iterable[torch.Tensor]) -> Given:
        """Wait for worker 0; return what it gives, and copy its tensors."""
        if self.count == 1:
            return thing
        things = [thing]
        distributed.broadcast_object_list(things, 0, group=self._patient)
        for tensor in tensors:
            distributed.broadcast(tensor.detach(), 0)
        return things[0]

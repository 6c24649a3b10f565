"""Train one network on the machines of a Ray cluster, which starts the workers again if one dies.

    python examples/train_on_ray.py

It needs ``pip install "ray[train]" jax`` on all machines, and folders that all of them reach.
"""

import socket

import ray
from ray import train
from ray.train.collective import broadcast_from_rank_zero
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

OPTIONS = ["/data/vocals", "/data/accompaniment", "--batch-size", "32", "--run", "/data/runs/first"]


def work() -> None:
    """Be one worker of the training."""
    from wavesep.cli import main

    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]
    coordinator = broadcast_from_rank_zero(f"{ray.util.get_node_ip_address()}:{port}")
    context = train.get_context()
    workers, rank = str(context.get_world_size()), str(context.get_world_rank())
    place = ["--workers", workers, "--rank", rank, "--coordinator", coordinator]
    if main(["train", *OPTIONS, *place]):
        raise RuntimeError("the training has failed: see the message above")


if __name__ == "__main__":
    ray.init(address="auto", runtime_env={"env_vars": {"KERAS_BACKEND": "jax"}})
    DataParallelTrainer(
        work,
        scaling_config=train.ScalingConfig(num_workers=4),
        run_config=train.RunConfig(
            storage_path="/data/ray", failure_config=train.FailureConfig(max_failures=3)
        ),
    ).fit()

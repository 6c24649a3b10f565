"""Train both U-Nets of `vocals` together: one estimates the vocals, the other the accompaniment.

    python examples/weights/train_spleeter.py vocals/ accompaniment/ runs/both \
        --start spleeter.safetensors spleeter_accompaniment.safetensors

`wavesep train` trains one network. Here the loss is the error of the mean of both estimates, and a
quarter of the error of each. It trains at 22,050 Hz, which takes half the time. The layers are
convolutions in frequency, so the weights fit 44,100 Hz as well.

The folder of the run contains both networks and a checkpoint, written every 25 steps. To continue,
run the same command again.
"""

import argparse
import dataclasses
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from rich.progress import track

from wavesep.audio import TWO_STEMS
from wavesep.data import Clips, MixGenerator
from wavesep.data.production import Production
from wavesep.models.arrays import (
    Arrays,
    load_arrays,
    network_arrays,
    save_arrays,
    set_network_arrays,
)
from wavesep.models.files import ModelFile, read_model_file
from wavesep.models.spleeter.architecture import SpleeterArchitecture
from wavesep.models.unet.recipe import magnitude_examples

RATE = 22_050
FRAMES = 256  # of an example: 6 s
ALONE = 0.25  # weight of the error of each network
WARM = 15  # steps in which the learning rate rises
SAVE_STEPS = 25


def error(truth: Any, masks: Any) -> Any:
    """Return the error of the masked magnitudes; see `magnitude_examples`."""
    vocals, mixture = ops.split(truth, 2, axis=-1)
    ours, others = ops.split(masks, 2, axis=-1)

    def apart(mask: Any) -> Any:
        return ops.abs(mask * mixture - vocals)

    both = apart((ours + 1 - others) / 2)
    return ops.mean(both + ALONE * (apart(ours) + apart(1 - others)), axis=-1)


def save(path: Path, model: keras.Model, step: int) -> None:
    """Write the weights, the state of the optimizer and the step."""
    arrays: Arrays = {
        f"{i}": ops.convert_to_numpy(variable)
        for i, variable in enumerate([*model.variables, *model.optimizer.variables])
    }
    save_arrays(arrays, {"step": str(step)}, path)


def resume(path: Path, model: keras.Model) -> int:
    """Read what `save` wrote, and return the step; without a file, it is 0."""
    if not path.exists():
        return 0
    arrays, metadata = load_arrays(path)
    model.optimizer.build(model.trainable_variables)
    for i, variable in enumerate([*model.variables, *model.optimizer.variables]):
        variable.assign(arrays[f"{i}"])
    return int(metadata["step"])


def save_networks(folder: Path, networks: list[keras.Model], files: list[ModelFile]) -> None:
    """Write both model files, at the rate of the files that the training began with."""
    for network, file, stem in zip(networks, files, TWO_STEMS, strict=True):
        file.with_arrays(network_arrays(network)).save(folder / f"{stem}.safetensors")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("vocals", type=Path)
    parser.add_argument("accompaniment", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--start", nargs=2, required=True, metavar="MODEL", help="both networks")
    parser.add_argument("--steps", type=int, default=800, help="default: %(default)s")
    parser.add_argument(
        "--batch-size", type=int, default=6, metavar="N", help="default: %(default)s"
    )
    parser.add_argument(
        "--learning-rate", type=float, default=1e-4, metavar="RATE",
        help="highest rate; it decays to 0 as a cosine (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    args.run.mkdir(parents=True, exist_ok=True)
    checkpoint = args.run / "checkpoint.safetensors"
    files = [read_model_file(name) for name in args.start]
    whole = files[0].architecture
    if not isinstance(whole, SpleeterArchitecture) or files[1].architecture != whole:
        parser.error("--start: give two networks of the kind spleeter, of one architecture")
    half = dataclasses.replace(whole, window=whole.window // 2, hop=whole.hop // 2)
    networks = [half.network() for _ in files]
    for network, file in zip(networks, files, strict=True):
        set_network_arrays(network, file.arrays)
    mixture = keras.Input((half.bins, None, half.channels))
    model = keras.Model(mixture, ops.concatenate([n(mixture) for n in networks], axis=-1))
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, max(args.steps - WARM, 1), warmup_target=args.learning_rate, warmup_steps=WARM
    )
    model.compile(optimizer=keras.optimizers.Adam(rate), loss=error)
    mixes = MixGenerator(
        Clips(args.vocals, in_memory=True), Clips(args.accompaniment, in_memory=True),
        samples=half.samples_of(FRAMES), left_context=0, right_context=0, sample_rate=RATE,
        channels=half.channels, batch_size=args.batch_size, batches=args.steps,
        production=Production(), seed=args.seed,
    )  # fmt: skip

    losses: list[float] = []
    for i in track(range(resume(checkpoint, model), args.steps), "steps"):
        losses.append(float(model.train_on_batch(*magnitude_examples(half, *mixes[i]))))
        model.reset_metrics()
        if (i + 1) % SAVE_STEPS == 0 or i + 1 == args.steps:
            print(f"step {i + 1}: loss {np.mean(losses[-SAVE_STEPS:]):.4f}", flush=True)
            save(checkpoint, model, i + 1)
            save_networks(args.run, networks, files)

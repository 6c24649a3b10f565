"""Average the weights of two networks, one of which was trained from the other.

    python examples/weights/average.py new.safetensors old.safetensors mean.safetensors

More training on one kind of song improves it and makes other kinds worse. A share of the old
weights restores most of the other kinds and keeps most of the gain. M. Wortsman et al., "Robust
fine-tuning of zero-shot models", arXiv:2109.01903.

--variance multiplies the variances of normalised layers. Below 1, these layers amplify more: some
means score better with it, and let more of the accompaniment through.
"""

import argparse
from pathlib import Path

import numpy as np

from wavesep.models.files import ModelFile, read_model_file


def averaged(new: ModelFile, old: ModelFile, share: float) -> ModelFile:
    """Return the weighted mean of two networks, with the card of the new one."""
    of_new, of_old = np.float32(1 - share), np.float32(share)
    return new.with_arrays(
        {name: of_new * array + of_old * old.arrays[name] for name, array in new.arrays.items()}
    )


def amplified(file: ModelFile, variance: float) -> ModelFile:
    """Return a network with the variances of its normalised layers times ``variance``."""
    expected = {
        name: array * np.float32(variance)
        for name, array in file.arrays.items()
        if name.endswith("variance")
    }
    return file.with_arrays(file.arrays | expected)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("new", help="a name or a file")
    parser.add_argument("old", help="a name or a file, with the same architecture")
    parser.add_argument("out", type=Path)
    parser.add_argument(
        "--share",
        type=float,
        default=0.5,
        help="share of the old one, 0 to 1 (default: %(default)s)",
    )
    parser.add_argument(
        "--variance", type=float, default=1.0, metavar="FACTOR",
        help="factor of the variances of normalised layers (default: %(default)s)",
    )  # fmt: skip
    args = parser.parse_args()

    new, old = read_model_file(args.new), read_model_file(args.old)
    if (new.kind, new.architecture) != (old.kind, old.architecture):
        parser.error(f"{args.new} and {args.old} are not of the same architecture")
    amplified(averaged(new, old, args.share), args.variance).save(args.out)

"""Write a model file as the package ships it: with its data card, and smaller.

    python examples/weights/pack.py runs/first/best.safetensors card.json packed.safetensors

Kernels become 8-bit integers, with --half numbers of half precision.
"""

import argparse
import dataclasses
import json
from pathlib import Path

from wavesep.models.files import read_model_file

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="a name or a file")
    parser.add_argument("card", type=Path, help="JSON: the licence and the data card")
    parser.add_argument("out", type=Path)
    parser.add_argument("--half", action="store_true")
    args = parser.parse_args()

    card = json.loads(args.card.read_text(encoding="utf-8"))
    file = dataclasses.replace(read_model_file(args.model), licence=card.pop("licence"), card=card)
    (file.halved() if args.half else file.quantised()).save(args.out)
    print(f"{args.out}: {args.out.stat().st_size / 1e6:.1f} MB")

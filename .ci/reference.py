"""Write the reference of the public names, out of their docstrings, as HTML pages in reference/.

    python .ci/reference.py

It needs ``pip install -e ".[docs]"``; the extra ``test`` includes it.
"""

import warnings
from importlib import import_module
from pathlib import Path

import pdoc

MODULES = (
    "wavesep", "wavesep.data", "wavesep.evaluation", "wavesep.export", "wavesep.training",
    "wavesep.remote", "wavesep.errors",
)  # fmt: skip
OUT = Path(__file__).parents[1] / "reference"

for name in MODULES:
    module = import_module(name)
    for public in getattr(module, "__all__", ()):
        # pdoc looks into the module's dict, where lazy names are missing (PEP 562)
        setattr(module, public, getattr(module, public))

warnings.filterwarnings("error", module="pdoc")  # a name that pdoc cannot find is an error
pdoc.render.configure(docformat="numpy")
pdoc.pdoc(*MODULES, output_directory=OUT)

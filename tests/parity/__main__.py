"""Print the table of docs/parity.md: ``python -m tests.parity``, from the repository's root."""

from __future__ import annotations

import tempfile
from pathlib import Path

from debias_pt.models.backbone import Backbone
from tests.helpers.tiny_data import write_checkpoint
from tests.parity.table import lines, markdown

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        backbone = Backbone.load(f"local-dir:{write_checkpoint(Path(folder) / 'tiny')}")
        print(markdown(lines(backbone)), end="")

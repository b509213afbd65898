"""Results kept by the content of all they depend on, so that a second call computes only what is missing."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from debias_pt.errors import DebiasWarning, OutputError, UsageError
from debias_pt.files import make_folder, read_json, write_json
from debias_pt.fingerprint import digest
from debias_pt.settings import FitSettings
from debias_pt.versions import versions

from .case import Case, Fit

# Raise it when a change of code changes a result.
EDITION = 2


def key(case: Case, fit: Fit) -> dict[str, Any]:
    """Return all that a row's result depends on, as plain JSON.

    The row's own settings, the common budget, images, labels, annotations, model, the attributes' wording,
    versions, and the edition of this code.
    """
    table, settings = case.prepared.table, case.settings
    annotated = {name: [true.values, true.labels.tolist()] for name, true in table.attributes.items()}
    return {
        "edition": EDITION,
        "versions": versions(),
        "fit": repr(fit),
        "settings": {name: getattr(settings, name) for name in FitSettings.__dataclass_fields__},
        "split": settings.split,
        "backbone": case.prepared.backbone.fingerprint,
        "data": {**table.data_fingerprint(), "annotations": digest(annotated)},
        "attributes": [attribute.describe() for attribute in case.prepared.attributes],
        **({} if case.prepared.probe == "zero-shot" else {"probe": case.prepared.probe}),
    }


@dataclasses.dataclass(frozen=True)
class ResultStore:
    """One JSON file per result in a folder, named after the digest of its key.

    Parameters
    ----------
    folder : Path
        ``results`` in the cache folder.
    fresh : bool
        Take nothing; compute everything anew and keep that.

    Examples
    --------
    >>> import tempfile
    >>> store = ResultStore(Path(tempfile.mkdtemp()))
    >>> store.get({"row": "erm"}, lambda: {"wga": 0.5})
    ({'wga': 0.5}, False)
    >>> store.get({"row": "erm"}, lambda: {"wga": 0.9})
    ({'wga': 0.5}, True)
    """

    folder: Path
    fresh: bool = False

    def holds(self, wanted: dict[str, Any]) -> bool:
        """Tell whether a result would be taken from the folder."""
        return not self.fresh and self._read(self._path(wanted), wanted) is not None

    def get(self, wanted: dict[str, Any], compute: Callable[[], dict[str, Any]]) -> tuple[dict[str, Any], bool]:
        """Return a result, and whether it was taken from the folder."""
        path = self._path(wanted)
        found = None if self.fresh else self._read(path, wanted)
        if found is not None:
            return found, True
        result = compute()
        try:
            make_folder(self.folder)
            write_json(path, {"key": wanted, "result": result})
        except OutputError as error:
            warnings.warn(f"the result is not kept: {error}", DebiasWarning, stacklevel=2)
        return result, False

    def _path(self, wanted: dict[str, Any]) -> Path:
        return self.folder / f"{digest(wanted)[:32]}.json"

    @staticmethod
    def _read(path: Path, wanted: dict[str, Any]) -> dict[str, Any] | None:
        """Return what was kept under exactly this key; a file that is damaged or says otherwise counts as missing."""
        if not path.exists():
            return None
        try:
            kept = read_json(path)
        except UsageError:
            return None
        if not isinstance(kept, dict) or digest(kept.get("key")) != digest(wanted):
            return None
        result: dict[str, Any] | None = kept.get("result")
        return result

"""Results stored under a hash of everything they depend on, so that a second call computes only what is missing."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from debias_pt.errors import DebiasWarning, OutputError, UsageError
from debias_pt.utils.files import default_cache_dir, make_folder, read_json, write_json
from debias_pt.utils.fingerprint import digest


@dataclass(frozen=True)
class ResultStore:
    """One JSON file per result in a folder, named after the digest of its key.

    Parameters
    ----------
    folder : Path
        ``results`` in the cache folder.
    fresh : bool
        Ignore stored results; compute everything again and store it.

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

    def get(self, wanted: dict[str, Any], compute: Callable[[], dict[str, Any]]) -> tuple[dict[str, Any], bool]:
        """Return a result, and whether it comes from the folder."""
        found = self.find(wanted)
        if found is not None:
            return found, True
        result = compute()
        self.keep(wanted, result)
        return result, False

    def holds(self, wanted: dict[str, Any]) -> bool:
        """Tell whether a result would come from the folder."""
        return self.find(wanted) is not None

    def find(self, wanted: dict[str, Any]) -> dict[str, Any] | None:
        """Return what is stored under a key, if anything is and may be used."""
        return None if self.fresh else self._read(self._path(wanted), wanted)

    def keep(self, wanted: dict[str, Any], result: dict[str, Any]) -> None:
        """Store a result; warn if the folder cannot be written."""
        try:
            make_folder(self.folder)
            write_json(self._path(wanted), {"key": wanted, "result": result, "sha256": digest(result)})
        except OutputError as error:
            warnings.warn(f"the result is not stored: {error}", DebiasWarning, stacklevel=3)

    def _path(self, wanted: dict[str, Any]) -> Path:
        return self.folder / f"{digest(wanted)[:32]}.json"

    @staticmethod
    def _read(path: Path, wanted: dict[str, Any]) -> dict[str, Any] | None:
        """Return what was stored under exactly this key; a damaged file or one with another key counts as missing."""
        if not path.exists():
            return None
        try:
            kept = read_json(path)
        except UsageError:
            return None
        if not isinstance(kept, dict) or digest(kept.get("key")) != digest(wanted):
            return None
        result: dict[str, Any] | None = kept.get("result")
        whole = kept.get("sha256", digest(result)) == digest(result)  # results of older versions have none
        return result if whole and isinstance(result, dict) else None


def result_store(cache_dir: str | None, fresh: bool) -> ResultStore:
    """Return the folder of results in a cache folder; None is the default one."""
    return ResultStore((Path(cache_dir) if cache_dir else default_cache_dir()) / "results", fresh)

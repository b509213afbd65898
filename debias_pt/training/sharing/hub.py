"""The Hugging Face Hub: a saved tuner goes there with a card, and comes back."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from debias_pt.errors import UsageError
from debias_pt.groups.metrics import GroupReport
from debias_pt.training.sharing.model_card import model_card
from debias_pt.training.sharing.saved_tuner import FACTS, WEIGHTS, save_tuner

if TYPE_CHECKING:
    from debias_pt.training.tuner import PromptTuner


def push(
    tuner: PromptTuner,
    repo_id: str,
    result: Mapping[str, Any] | GroupReport | None,
    *,
    licence: str | None,
    private: bool,
    token: str | None,
) -> str:
    """Upload a tuner with a card; see :meth:`~debias_pt.training.tuner.PromptTuner.push_to_hub`."""
    from huggingface_hub import HfApi

    with tempfile.TemporaryDirectory() as place, _one_line(repo_id):
        tuner._require_fitted()
        card = {"README.md": model_card(tuner, repo_id, result, licence)}
        folder = save_tuner(tuner, Path(place) / "tuner", card, portable=True)
        api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"), token=token)
        api.create_repo(repo_id, private=private, exist_ok=True)
        done = api.upload_folder(repo_id=repo_id, folder_path=folder, commit_message="Upload with debias-pt")
    return str(getattr(done, "commit_url", done))


def fetch(repo_id: str, revision: str | None, token: str | None) -> str:
    """Download a saved tuner, or find it in the Hub's cache, and return its folder."""
    from huggingface_hub import snapshot_download

    with _one_line(repo_id):
        endpoint = os.environ.get("HF_ENDPOINT")
        files = [FACTS, WEIGHTS]
        return str(snapshot_download(repo_id, revision=revision, token=token, endpoint=endpoint, allow_patterns=files))


@contextmanager
def _one_line(repo_id: str) -> Iterator[None]:
    """Turn what the Hub's library raises into one line."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled

    try:
        yield
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError) as error:
        reason = " ".join(str(error).split())[:300]
        raise UsageError(f"{repo_id}: the Hub refuses ({reason}); check the name, the token and the network") from error

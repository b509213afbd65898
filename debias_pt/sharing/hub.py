"""The Hugging Face Hub: a saved tuner goes there with a card, and comes back."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from debias_pt.errors import UsageError
from debias_pt.groups.metrics import GroupReport
from debias_pt.sharing.model_card import model_card
from debias_pt.training.tuner import Tuner
from debias_pt.training.tuner_files import FACTS, WEIGHTS, write_tuner


def push_to_hub(
    tuner: Tuner,
    repo_id: str,
    *,
    result: Mapping[str, Any] | GroupReport | None = None,
    license: str | None = None,
    private: bool = False,
    token: str | None = None,
) -> str:
    """Upload a fitted tuner to the Hugging Face Hub, with a model card.

    Parameters
    ----------
    tuner : Tuner
        Fitted.
    repo_id : str
        ``"user/name"``; made if it does not exist.
    result : mapping or GroupReport, optional
        Figures for the card: a run's ``result``, or what :meth:`Tuner.score` returned.
    license : str, optional
        Of what was learned, by the Hub's name, such as ``"apache-2.0"``. The terms of the model and of the images
        still apply; the card says so.
    private : bool
        Make a private repository.
    token : str, optional
        Default the one that ``hf auth login`` stored.

    Returns
    -------
    str
        The commit's address.

    Raises
    ------
    UsageError
        If nothing was fitted, or the Hub refuses.
    """
    from huggingface_hub import HfApi

    with tempfile.TemporaryDirectory() as place, _one_line(repo_id):
        state = tuner.state()
        card = {"README.md": model_card(tuner, repo_id, result, license)}
        folder = write_tuner(state, Path(place) / "tuner", card, portable=True)
        api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"), token=token)
        api.create_repo(repo_id, private=private, exist_ok=True)
        done = api.upload_folder(repo_id=repo_id, folder_path=folder, commit_message="Upload with debias-pt")
    return str(getattr(done, "commit_url", done))


def from_hub(repo_id: str, *, revision: str | None = None, token: str | None = None, **where: Any) -> Tuner:
    """Load a tuner from the Hub, or from a folder.

    Parameters
    ----------
    repo_id : str
        ``"user/name"``, or a folder.
    revision : str, optional
        Branch, tag or commit.
    token : str, optional
        Default the one that ``hf auth login`` stored.
    **where
        ``model``, ``pretrained``, ``device``, ``backbone``; see :meth:`Tuner.load`.

    Raises
    ------
    UsageError
        If there is no such repository, or it holds no tuner.
    """
    folder = repo_id if Path(repo_id).is_dir() else _downloaded(repo_id, revision, token)
    return Tuner.load(folder, **where)


def _downloaded(repo_id: str, revision: str | None, token: str | None) -> str:
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

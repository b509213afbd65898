"""The text tower for prompts given as embeddings: exact, and without unnecessary work."""

from debias_pt.models.text.tokens import Tokenizer, require_fit, warn_unread
from debias_pt.models.text.tower import TextTower

__all__ = ["TextTower", "Tokenizer", "require_fit", "warn_unread"]

"""The text tower for prompts given as embeddings: exact, and no slower than it must be."""

from debias_pt.text.tower import TextTower
from debias_pt.text.words import Tokenizer, require_fit, warn_unread

__all__ = ["TextTower", "Tokenizer", "require_fit", "warn_unread"]

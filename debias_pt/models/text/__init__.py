"""The text tower for prompts given as embeddings: exact, and without unnecessary work."""

from debias_pt.models.text.prompt_ids import PromptIds, Tokenizer
from debias_pt.models.text.tokens import require_fit, warn_unread
from debias_pt.models.text.tower import TextTower

__all__ = ["PromptIds", "TextTower", "Tokenizer", "require_fit", "warn_unread"]

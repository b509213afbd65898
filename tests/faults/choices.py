"""Every method, loss and head, as settings."""

from __future__ import annotations

from debias_pt.losses import LOSSES
from debias_pt.models.heads import HEADS
from debias_pt.reweighting import REWEIGHTERS

CHOICES = [("method", name) for name in sorted(REWEIGHTERS)]
CHOICES += [("loss", name) for name in sorted(LOSSES)] + [("head", name) for name in sorted(HEADS)]

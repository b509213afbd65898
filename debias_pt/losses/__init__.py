"""Per-sample losses, one file each; importing this package registers them."""

from debias_pt.losses import cross_entropy as _cross_entropy  # noqa: F401
from debias_pt.losses import gce as _gce  # noqa: F401
from debias_pt.losses import nlprompt as _nlprompt  # noqa: F401
from debias_pt.losses.base import LOSSES, Loss, make_loss

__all__ = ["LOSSES", "Loss", "make_loss"]

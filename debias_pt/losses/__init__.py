"""Per-sample losses, one file each; importing this package registers them."""

from debias_pt.losses import cross_entropy as _cross_entropy  # noqa: F401
from debias_pt.losses import gce as _gce  # noqa: F401
from debias_pt.losses import label_smoothing as _label_smoothing  # noqa: F401
from debias_pt.losses import mae as _mae  # noqa: F401
from debias_pt.losses import nce_rce as _nce_rce  # noqa: F401
from debias_pt.losses import nlprompt as _nlprompt  # noqa: F401
from debias_pt.losses import phuber as _phuber  # noqa: F401
from debias_pt.losses import sce as _sce  # noqa: F401
from debias_pt.losses.base import LOSSES, Loss, make_loss
from debias_pt.losses.options import loss_of

__all__ = ["LOSSES", "Loss", "loss_of", "make_loss"]

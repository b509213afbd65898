"""Group reweighting schedulers, one file each; importing this package registers them."""

from debias_pt.reweighting import balanced as _balanced  # noqa: F401
from debias_pt.reweighting import class_balanced as _class_balanced  # noqa: F401
from debias_pt.reweighting import cvar as _cvar  # noqa: F401
from debias_pt.reweighting import dpt as _dpt  # noqa: F401
from debias_pt.reweighting import dpt_mixture as _dpt_mixture  # noqa: F401
from debias_pt.reweighting import group_dro as _group_dro  # noqa: F401
from debias_pt.reweighting import uniform as _uniform  # noqa: F401
from debias_pt.reweighting.base import REWEIGHTERS, Reweighter, make_reweighter

__all__ = ["REWEIGHTERS", "Reweighter", "make_reweighter"]

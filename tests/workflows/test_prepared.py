"""Promise: an annotation is read in the order of the probe's values."""

from __future__ import annotations

import numpy as np

from debias_pt.datasets.attributes import PseudoAttribute, TrueAttribute
from debias_pt.workflows.prepared import annotation


def test_an_annotation_is_read_in_the_probes_order_of_values() -> None:
    true = TrueAttribute(("water", "land", "air"), np.array([0, 1, 2, 0]))
    answer = PseudoAttribute("place", ("land", "air", "water"), np.full((4, 3), 1 / 3))
    found = annotation(true, answer)
    assert found is not None
    assert found.values == ("land", "air", "water")
    assert found.labels.tolist() == [2, 0, 1, 2]
    assert annotation(true, PseudoAttribute("place", ("land", "water"), np.full((4, 2), 0.5))) is None

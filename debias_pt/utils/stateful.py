"""State that survives a resume: attributes whose names end in ``_``."""

from __future__ import annotations

from torch import Tensor


class Stateful:
    """What losses and schedulers change during training, by name."""

    def state_dict(self) -> dict[str, Tensor]:
        """Return everything a resumed run needs: attributes that end in ``_`` by name."""
        return {name: value for name, value in vars(self).items() if name.endswith("_")}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore what :meth:`state_dict` returned, on the device where it is needed."""
        for name, value in state.items():
            setattr(self, name, value)

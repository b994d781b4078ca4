"""What a learner can be told. Imports no JAX: the learners' own modules make these pytrees."""

import dataclasses
from typing import Any

from jaxcontract.core.fields import Record, number, sizes, whole

LOG_STD_RANGE = (-10.0, 2.0)  # where ln of a deviation is kept in training: beyond it densities leave float32


@dataclasses.dataclass(frozen=True, kw_only=True)
class LearnerConfig(Record):
    """What every learner is told: sizes (static: a change compiles anew) and numbers (traced).

    Frozen and hashable; a sweep over a number is a `vmap`.

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    num_updates: int = whole(600, "updates: rounds collected, then learned from", low=1)
    num_envs: int = whole(2048, "environments played side by side, B", low=1)
    hidden_sizes: tuple[int, ...] = sizes((64, 64), "units of each hidden layer, actor and critic", low=1)
    learning_rate: Any = number(3e-3, "Adam's step size, at the start", low=0, above=True)
    final_learning_rate: Any = number(
        0.0, "Adam's step size at the last of several updates, reached linearly", low=0
    )
    max_gradient_norm: Any = number(0.5, "global norm to which gradients are clipped", low=0, above=True)

    @property
    def batch_size(self) -> int:
        """Rounds collected per update."""
        return self.num_envs

    @property
    def env_steps(self) -> int:
        """Rounds played by the whole training of one seed."""
        return self.num_updates * self.batch_size

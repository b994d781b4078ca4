"""What the plain gradient can be told. No JAX."""

import dataclasses

from jaxcontract.learning.config import LearnerConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class GradientConfig(LearnerConfig):
    """What the plain gradient of the reward is told: nothing more than any learner."""

"""What the plain gradient can be told. No JAX."""

import dataclasses
from typing import ClassVar

from jaxcontract.core.fields import documented, whole
from jaxcontract.core.protocols import PolicyHead
from jaxcontract.core.renaming import accept_old_names
from jaxcontract.learning.config import OLD_NAMES, LearnerConfig


@accept_old_names(OLD_NAMES)
@documented
@dataclasses.dataclass(frozen=True, kw_only=True)
class GradientConfig(LearnerConfig):
    """What the plain gradient of the reward is told: nothing more than any learner.

    network:     the function that is learned, a `Network`
    policy_head: what its output says of an action, a `PolicyHead`

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    algorithm: ClassVar[str] = "jaxcontract.learning.algorithms.gradient.gradient:GRADIENT"
    climbs_slope: ClassVar[bool] = True

    # An update is a single step, a tenth of the time of one of PPO's.
    num_updates: int = whole(3000, "updates: rounds collected, then a step", low=1)

    @property
    def learns_head(self) -> bool:
        """Those that are learned by draws."""
        return learns_by_draws(self.policy_head)


def learns_by_draws(head: PolicyHead) -> bool:
    """Whether the plain gradient plays what a head draws, and learns its parameters; else its mode."""
    return bool(getattr(head, "learns_by_draws", False))

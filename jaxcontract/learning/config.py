"""What every learner can be told. No JAX."""

import dataclasses
from typing import Any, ClassVar

from jaxcontract.core.fields import Record, documented, number, part, refuse, whole
from jaxcontract.core.protocols import Algorithm, Network, PolicyHead
from jaxcontract.core.registry import resolve
from jaxcontract.core.renaming import Moved, accept_old_names
from jaxcontract.learning.networks.mlp import MLP
from jaxcontract.learning.policies.gaussian import Gaussian

OLD_NAMES: dict[str, str | Moved] = {
    "parallel_rounds": "num_envs",
    "rollout_length": "num_steps",
    "trace_decay": "gae_lambda",
    "hidden_sizes": Moved("network", lambda sizes: MLP(hidden_sizes=sizes), "network=MLP(hidden_sizes=...)"),
    "initial_std": Moved(
        "policy_head", lambda std: Gaussian(initial_std=std), "policy_head=Gaussian(initial_std=...)"
    ),
}


@accept_old_names(OLD_NAMES)
@documented
@dataclasses.dataclass(frozen=True, kw_only=True)
class LearnerConfig(Record):
    """What every learner is told: sizes (static: a change compiles anew) and numbers (traced).

    network:     the function that is learned, a `Network`
    policy_head: what its output says of an action, a `PolicyHead`

    Frozen and hashable; a sweep over a number is a `vmap`. A learner's own record derives from this one and
    names its `algorithm`.

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    num_updates: int = whole(600, "updates: rounds collected, then learned from", low=1)
    num_envs: int = whole(2048, "environments played side by side, B", low=1)
    learning_rate: Any = number(
        3e-3,
        "Adam's step size, at the start, with at most 64 units in a layer; times 64/units with more",
        low=0,
        above=True,
    )
    final_learning_rate: Any = number(
        0.0, "Adam's step size at the last of several updates, reached linearly", low=0
    )
    max_gradient_norm: Any = number(0.5, "global norm to which gradients are clipped", low=0, above=True)
    lookahead_updates: int = whole(
        0,
        "updates after which the weights go back to where these began, but for lookahead_rate; 0: never",
        low=0,
    )
    lookahead_rate: Any = number(
        0.2, "part of the way that is kept when the weights go back", low=0, above=True, high=1
    )
    averaged_updates: int = whole(
        0,
        "last updates, or all, whose weights are averaged: training ends with their mean; 0: with the last",
        low=0,
    )
    network: Network = part(MLP(), Network)
    policy_head: PolicyHead = part(Gaussian(), PolicyHead)

    # "module:ALGORITHM": a name, so that a command line reads these fields without JAX.
    algorithm: ClassVar[str]
    climbs_slope: ClassVar[bool] = False  # whether it learns by the derivative of the reward itself
    derives_draws: ClassVar[bool] = False  # whether it learns by the derivative of what the policy draws

    def __post_init__(self) -> None:
        super().__post_init__()
        why = getattr(self.policy_head, "without_slope", "")
        if (self.climbs_slope or self.derives_draws) and why:
            own, head = type(self).__name__, type(self.policy_head).__name__
            raise ValueError(f"{own}: policy_head = {head}: must be learned by PPO: {why}")
        for name in ("lookahead_updates", "averaged_updates"):
            if getattr(self, name) and getattr(self, "target_kl", 0):
                allowed = "0 with a target_kl, which leaves out gradient steps"
                raise refuse(type(self).__name__, name, getattr(self, name), allowed)

    @property
    def num_states(self) -> int:
        """States that an update begins with, [..., num_states]: one for each environment."""
        return self.num_envs

    def make(self) -> Algorithm:
        """The algorithm that these numbers are for."""
        algorithm: Algorithm = resolve(self.algorithm)
        return algorithm

    def without_effect(self) -> dict[str, str]:
        """The fields whose value changes no result: {name: where that is so}."""
        found = {"final_learning_rate": "num_updates = 1"} if self.num_updates == 1 else {}
        if not self.lookahead_updates:
            found["lookahead_rate"] = "lookahead_updates = 0"
        return found

    @property
    def gradient_steps(self) -> int:
        """Gradient steps per update."""
        return 1

    @property
    def learns_head(self) -> bool:
        """Whether it learns the parameters of the policy's head, such as a deviation."""
        return False

    @property
    def batch_size(self) -> int:
        """Rounds collected per update."""
        return self.num_envs

    @property
    def env_steps(self) -> int:
        """Rounds played by the whole training of one seed."""
        return self.num_updates * self.batch_size

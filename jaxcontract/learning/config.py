"""What every learner can be told. No JAX."""

import dataclasses
from typing import Any, ClassVar

from jaxcontract.core.fields import Record, documented, number, part, whole
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
    network: Network = part(MLP(), Network)
    policy_head: PolicyHead = part(Gaussian(), PolicyHead)

    # "module:ALGORITHM": a name, so that a command line reads these fields without JAX.
    algorithm: ClassVar[str]
    climbs_slope: ClassVar[bool] = False  # whether it learns by the derivative of the reward itself

    def __post_init__(self) -> None:
        super().__post_init__()
        why = getattr(self.policy_head, "without_slope", "")
        if self.climbs_slope and why:
            head, own = type(self.policy_head).__name__, type(self).__name__
            raise ValueError(
                f"{own}: policy_head: cannot be learned by the slope of the reward: of a {head}, {why}"
            )

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
        return {"final_learning_rate": "num_updates = 1"} if self.num_updates == 1 else {}

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

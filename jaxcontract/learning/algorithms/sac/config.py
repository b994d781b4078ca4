"""What soft actor-critic can be told. No JAX."""

import dataclasses
from typing import Any, ClassVar

from jaxcontract.core.fields import documented, flag, number, sizes, whole
from jaxcontract.learning.config import LearnerConfig
from jaxcontract.learning.networks.mlp import MLP


@documented
@dataclasses.dataclass(frozen=True, kw_only=True)
class SACConfig(LearnerConfig):
    """What soft actor-critic is told.

    Sizes and switches are static, and so is `discount`: a change compiles anew. The other numbers are traced.

    network:     the actor, a `Network`; the critics are perceptrons, whatever it is
    policy_head: what its output says of an action, a `PolicyHead` whose draws have a derivative

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    algorithm: ClassVar[str] = "jaxcontract.learning.algorithms.sac.sac:SAC"
    derives_draws: ClassVar[bool] = True

    # Few rounds and few steps at a time: an actor that makes many steps between looks at what it earns
    # leaves the actions that the critics know.
    num_updates: int = whole(2400, "updates: a round of each environment, then gradient steps", low=1)
    num_envs: int = whole(512, "environments played side by side, B", low=1)
    # The critics must be quicker than the actor: an actor that climbs unfinished critics runs off to where
    # all actions earn the same, and finds no slope there to come back by.
    learning_rate: Any = number(
        1e-3,
        "Adam's step size of the actor, at the start, with at most 64 units in a layer; times 64/units "
        "with more",
        low=0,
        above=True,
    )
    critic_learning_rate: Any = number(
        1e-2,
        "Adam's step size of the critics and of the temperature, at the start; it falls as the actor's does",
        low=0,
        above=True,
    )
    critic_hidden_sizes: tuple[int, ...] = sizes((64, 64), "units of each hidden layer of a critic", low=1)
    critic_warmup: int = whole(
        80, "first updates, at most a quarter of all, in which the critics learn alone", low=0
    )
    gradient_steps: int = whole(4, "gradient steps per update", low=1)
    minibatch_size: int = whole(256, "kept rounds that a gradient step learns from, drawn at random", low=1)
    buffer_size: int = whole(131072, "last rounds that are kept, rounded up to whole updates", low=1)
    discount: float = number(0.0, "discount γ", static=True, low=0, high=1)
    target_rate: Any = number(
        0.005,
        "part τ of the way that target critics go to the critics in a gradient step",
        low=0,
        above=True,
        high=1,
    )
    temperature: Any = number(
        0.01, "weight α of the entropy beside the reward, at the start", low=0, above=True
    )
    tune_temperature: bool = flag(True, "move α so that the entropy comes to target_entropy")
    target_entropy: Any = number(
        0.0,
        "entropy for each number of an action, scaled to [-1, 1] where it has two bounds",
    )

    def without_effect(self) -> dict[str, str]:
        """The fields whose value changes no result, and the game's `episode_length`: {name: where so}."""
        found = super().without_effect()
        if self.discount == 0:
            found |= dict.fromkeys(("target_rate", "episode_length"), "discount = 0")
        if not self.tune_temperature:
            found["target_entropy"] = "no tune_temperature"
        return found

    @property
    def first_of_actor(self) -> int:
        """The updates made before the actor learns too."""
        return min(self.critic_warmup, self.num_updates // 4)

    @property
    def critic(self) -> MLP:
        """The function that each critic is."""
        return MLP(hidden_sizes=self.critic_hidden_sizes)

    @property
    def learns_head(self) -> bool:
        """It does."""
        return True

"""What PPO can be told. No JAX."""

import dataclasses
from typing import Any, ClassVar

import numpy as np

from jaxcontract.core.fields import choice, concrete, documented, flag, number, refuse, whole
from jaxcontract.core.renaming import accept_old_names
from jaxcontract.learning.config import OLD_NAMES, LearnerConfig

# What goes with a critic, the class's own numbers, and what goes with groups of actions in its place.
WITH_CRITIC = {"group_size": 1, "epochs": 4, "clip_range": 0.3}
WITH_GROUPS = {"group_size": 8, "epochs": 2, "clip_range": 0.6}


@accept_old_names(OLD_NAMES)
@documented
@dataclasses.dataclass(frozen=True, kw_only=True)
class PPOConfig(LearnerConfig):
    """What PPO is told. The paper's symbol, where it has one, stands in each meaning.

    Sizes, words and switches are static, and so are `target_kl`, `final_entropy_share`, `derivative_gain` and
    `head_step`: a change compiles anew. The other numbers are traced.

    network:     the function that is learned, a `Network`; the critic is another of its kind
    policy_head: what its output says of an action, a `PolicyHead`

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    algorithm: ClassVar[str] = "jaxcontract.learning.algorithms.ppo.ppo:PPO"

    num_steps: int = whole(1, "rounds of each environment per update, T", low=1)
    epochs: int = whole(4, "passes over the collected rounds per update, X", low=1)
    minibatches: int = whole(8, "gradient steps per pass", low=1)
    partition: str = choice(
        "fixed",
        "what a gradient step learns from: a fixed part of the environments, which is right where rounds are "
        "independent; environments, or rounds, drawn anew in each pass",
        ("fixed", "environments", "rounds"),
    )
    group_size: int = whole(
        1, "actions tried in each state; from 2 on their mean reward stands in for the critic", low=1
    )
    estimator: str = choice("gae", "advantages: GAE(λ), or (15) and (16) as printed", ("gae", "paper"))
    normalize_advantages: bool = flag(True, "scale each minibatch's advantages to mean 0, deviation 1")
    normalize_returns: bool = flag(
        False, "have the critic count in the mean and the deviation of its targets so far"
    )
    discount: Any = number(0.0, "discount γ", low=0, high=1)
    gae_lambda: Any = number(0.95, "GAE's λ", low=0, high=1)
    clip_range: Any = number(0.3, "ε of the clipped surrogate", low=0, above=True)
    target_kl: float = number(
        0.0,
        "an update ends its gradient steps once the policy's kl is above 1.5 times this; 0: never",
        static=True,
        low=0,
    )
    value_coefficient: Any = number(0.5, "weight c of the value loss", low=0)
    entropy_coefficient: Any = number(0.0, "weight of an entropy bonus", low=0)
    final_entropy_share: float = number(
        1.0,
        "weight of the entropy bonus at the last of several updates, reached linearly, over the first",
        static=True,
        low=0,
        high=1,
    )
    derivative_gain: float = number(
        0.0,
        "gain of derivative action, of games of several players: how much a reward counts besides by how far "
        "it is above that against the rivals' trailing copies; 0: none",
        static=True,
        low=0,
    )
    trailing_rate: Any = number(
        0.03,
        "part of the way to the policy that its trailing copy goes in an update, less as the step size falls",
        low=0,
        above=True,
        high=1,
    )

    head_step: float = number(
        1.0,
        "step of the head's own parameters, such as deviations, as a multiple of the network's weights' step",
        static=True,
        low=0,
        above=True,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.group_size > 1:
            self._check_group()
        if self.num_states % self.minibatches:
            grouped = f"/group_size = {self.num_states}" if self.group_size > 1 else f" = {self.num_envs}"
            allowed = f"a divisor of num_envs{grouped}"
            raise refuse("PPOConfig", "minibatches", self.minibatches, allowed)

        if self.normalize_advantages and self.batch_size == self.minibatches:
            allowed = (
                f"at most num_envs · num_steps / 2 = {self.batch_size / 2:g} with "
                "normalize_advantages, which leaves nothing of the only round of a gradient step"
            )
            raise refuse("PPOConfig", "minibatches", self.minibatches, allowed)

        if self.estimator == "paper" and self.num_steps == 1:
            allowed = 'at least 2 with estimator = "paper", which leaves out the last reward of a rollout'
            raise refuse("PPOConfig", "num_steps", self.num_steps, allowed)

    def _check_group(self) -> None:
        """Raises ValueError unless groups of actions can stand in for the critic."""
        if self.num_envs % self.group_size:
            allowed = f"a divisor of num_envs = {self.num_envs}"
            raise refuse("PPOConfig", "group_size", self.group_size, allowed)
        if self.partition != "fixed" or self.normalize_returns:
            allowed = "1 with a partition other than fixed, or with normalize_returns"
            raise refuse("PPOConfig", "group_size", self.group_size, allowed)
        discount = concrete(self.discount)
        if self.estimator == "paper" or (discount is not None and np.any(discount != 0)):
            allowed = "1 with a discount or estimator = paper, which need a critic of what follows"
            raise refuse("PPOConfig", "group_size", self.group_size, allowed)

    def without_effect(self) -> dict[str, str]:
        """The fields whose value changes no result, and the game's `episode_length`: {name: where so}."""
        found = super().without_effect()
        if self.estimator == "paper" or self.discount == 0:
            why = "estimator = paper" if self.estimator == "paper" else "discount = 0"
            found |= {"gae_lambda": why, "episode_length": why}
        if self.group_size > 1:
            found["value_coefficient"] = "group_size > 1"
        if self.entropy_coefficient == 0 or self.num_updates == 1:
            why = "num_updates = 1" if self.num_updates == 1 else "entropy_coefficient = 0"
            found["final_entropy_share"] = why
        if self.derivative_gain == 0:
            found["trailing_rate"] = "derivative_gain = 0"
        if self.minibatches == 1:
            found["partition"] = "minibatches = 1"
        if self.gradient_steps == 1:
            found |= dict.fromkeys(("clip_range", "target_kl"), "one gradient step for each rollout")
        return found

    @property
    def num_states(self) -> int:
        """States that an update begins with: each is played `group_size` times."""
        return self.num_envs // self.group_size

    @property
    def gradient_steps(self) -> int:
        """Gradient steps per update."""
        return self.epochs * self.minibatches

    @property
    def learns_head(self) -> bool:
        """It does."""
        return True

    @property
    def batch_size(self) -> int:
        """Rounds collected per update, B · T: the paper's N."""
        return self.num_envs * self.num_steps

"""What a learner can be told. Imports no JAX: the learners' own modules make these pytrees."""

import dataclasses
from typing import Any

from jaxcontract.fields import Record, choice, documented, flag, number, refuse, sizes, whole

LOG_STD_RANGE = (-10.0, 2.0)  # where ln of a deviation is kept in training: beyond it densities leave float32


@dataclasses.dataclass(frozen=True, kw_only=True)
class LearnerConfig(Record):
    """What every learner is told: sizes (static: a change compiles anew) and numbers (traced).

    Frozen and hashable; a sweep over a number is a `vmap`.

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    num_updates: int = whole(600, "updates: rounds collected, then learned from", low=1)
    parallel_rounds: int = whole(2048, "environments played side by side, B", low=1)
    hidden_sizes: tuple[int, ...] = sizes((64, 64), "units of each hidden layer, actor and critic", low=1)
    learning_rate: Any = number(3e-3, "Adam's step size, at the start", low=0, above=True)
    final_learning_rate: Any = number(
        0.0, "Adam's step size at the last of several updates, reached linearly", low=0
    )
    max_gradient_norm: Any = number(0.5, "global norm to which gradients are clipped", low=0, above=True)

    @property
    def batch_size(self) -> int:
        """Rounds collected per update."""
        return self.parallel_rounds

    @property
    def env_steps(self) -> int:
        """Rounds played by the whole training of one seed."""
        return self.num_updates * self.batch_size


@dataclasses.dataclass(frozen=True, kw_only=True)
class GradientConfig(LearnerConfig):
    """What the plain gradient of the reward is told: nothing more than any learner."""


@documented
@dataclasses.dataclass(frozen=True, kw_only=True)
class PPOConfig(LearnerConfig):
    """What PPO is told. The paper's symbol, where it has one, stands in each meaning.

    Sizes, words and switches are static: a change compiles anew. The other numbers are traced.

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    rollout_length: int = whole(1, "rounds of each environment per update, T", low=1)
    epochs: int = whole(4, "passes over the collected rounds per update, X", low=1)
    minibatches: int = whole(8, "gradient steps per pass", low=1)
    estimator: str = choice("gae", "advantages: GAE(λ), or (15) and (16) as printed", ("gae", "paper"))
    normalize_advantages: bool = flag(True, "scale each minibatch's advantages to mean 0, deviation 1")
    discount: Any = number(0.0, "discount γ", low=0, high=1)
    trace_decay: Any = number(0.95, "GAE's λ", low=0, high=1)
    clip_range: Any = number(0.3, "ε of the clipped surrogate", low=0, above=True)
    value_coefficient: Any = number(0.5, "weight c of the value loss", low=0)
    entropy_coefficient: Any = number(0.0, "weight of an entropy bonus", low=0)
    initial_std: Any = number(
        0.5, "standard deviation of a fresh policy's actions, before they are bounded", low=5e-5, high=7
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.parallel_rounds % self.minibatches:
            allowed = f"a divisor of parallel_rounds = {self.parallel_rounds}"
            raise refuse("PPOConfig", "minibatches", self.minibatches, allowed)

        if self.normalize_advantages and self.batch_size == self.minibatches:
            allowed = (
                f"at most parallel_rounds · rollout_length / 2 = {self.batch_size / 2:g} with "
                "normalize_advantages, which leaves nothing of the only round of a gradient step"
            )
            raise refuse("PPOConfig", "minibatches", self.minibatches, allowed)

        if self.estimator == "paper" and self.rollout_length == 1:
            allowed = 'at least 2 with estimator = "paper", which leaves out the last reward of a rollout'
            raise refuse("PPOConfig", "rollout_length", self.rollout_length, allowed)

    @property
    def batch_size(self) -> int:
        """Rounds collected per update, B · T: the paper's N."""
        return self.parallel_rounds * self.rollout_length

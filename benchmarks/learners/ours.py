"""This package's own PPO, as experiments/run_ppo.py runs it: seeds spread over the devices."""

from collections.abc import Sequence
from typing import Any

import jax

from jaxcontract.training.seeds import compile_training
from learners.game import Game
from learners.plan import Plan


class Ours:
    """A `child.Learner` around the compiled training of a plan's S seeds."""

    def __init__(self, plan: Plan) -> None:
        game = Game(plan.game, plan.num_types)
        self.training = compile_training(range(plan.seeds), game.env, game.default_params, plan.config)
        self.compile_seconds = self.training.compile_seconds
        self.learners = self.training.start()

    def advance(self, num_updates: int) -> None:
        self.learners, _ = jax.block_until_ready(self.training.advance(self.learners, num_updates))

    def policies(self) -> Sequence[Any]:
        return self.training.policies(self.learners)

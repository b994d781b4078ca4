"""Training one policy from scratch, by any learner, in one compiled program."""

from typing import Any

import jax

from jaxcontract.core.fields import check_key, refuse
from jaxcontract.core.protocols import Environment, require_members
from jaxcontract.learning.config import LearnerConfig
from jaxcontract.learning.loop import Metrics
from jaxcontract.learning.train_state import TrainState


def train(key: jax.Array, env: Environment, params: Any, config: LearnerConfig) -> tuple[TrainState, Metrics]:
    """Train one policy from scratch: (learner, metrics), each metric [num_updates].

    env:    an `Environment`: gymnax's `reset(key, params)` and `step(key, state, action, params)`, whose info
            has `final_observation`; `observation_space(params)` and `action_space(params)`, a Box each.
            Hashable, so that `jit` can take it as static
    params: the env's, such as `env.default_params`
    config: a `PPOConfig`, or another learner's, such as `GradientConfig`; its `network` is learned
            with its `policy_head`

    Raises:
        ValueError: when one of them is of another kind, such as two exchanged, or lacks something: one line
            that names it.

    (14) to (20), Algorithm 1, for a `PPOConfig`. Pure and unjitted: `jax.jit(train, static_argnames="env")`.
    The key is consumed.

    >>> import jaxcontract as jc
    >>> env = jc.ContractEnv()
    >>> train = jax.jit(jc.train, static_argnames="env")
    >>> config = jc.PPOConfig(num_updates=2, num_envs=64)
    >>> learner, metrics = train(jax.random.key(0), env, env.default_params, config)
    >>> int(learner.num_updates), metrics["reward"].shape
    (2, (2,))
    """
    check_key("train", key)
    require_members("train", "env", env, Environment)
    if not isinstance(config, LearnerConfig):
        raise refuse("train", "config", config, "a learner's configuration, such as PPOConfig()")
    algorithm = config.make()
    learner = algorithm.init(key, env, params, config)

    def body(learner, _):
        return algorithm.update(learner, env, params, config)

    return jax.lax.scan(body, learner, length=config.num_updates)

"""When a training that would try groups of actions needs a critic after all. No JAX."""

from collections.abc import Mapping
from typing import Any

from jaxcontract.config.setting import Setting
from jaxcontract.learning.algorithms.ppo.config import WITH_CRITIC, PPOConfig


def keep_critic(setting: Setting, given: Mapping[str, Any]) -> Setting:
    """The setting with a critic for groups of actions where options ask for what needs one, or fit no group.

    given: options by name, as a person gave them; with the size of groups among them nothing changes
    """
    algorithm = setting.algorithm
    if type(algorithm) is not PPOConfig or algorithm.group_size == 1 or "group_size" in given:
        return setting
    looks_ahead = given.get("discount", 0) != 0 or given.get("estimator", "gae") != "gae"
    sizes = {name: given.get(name, getattr(algorithm, name)) for name in ("num_envs", "minibatches")}
    if looks_ahead or sizes["num_envs"] % max(1, algorithm.group_size * sizes["minibatches"]):
        return setting.with_parts({"algorithm": algorithm.replace(**WITH_CRITIC)})
    return setting

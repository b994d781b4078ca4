"""Settings as versions up to 0.2 wrote them, in the form of today. No JAX."""

from typing import Any

RENAMED = {"parallel_rounds": "num_envs", "rollout_length": "num_steps", "trace_decay": "gae_lambda"}
MOVED = {"hidden_sizes": "network", "initial_std": "policy"}
OLDER_PARTS = {"options", "numbers", "system", "ppo"}


def is_older(values: Any) -> bool:
    """Whether this is a setting of an older form."""
    return isinstance(values, dict) and bool(values.keys() & OLDER_PARTS)


def convert(values: dict[str, Any]) -> dict[str, Any]:
    """An older setting in the form that `setting_from_dict` reads; what is wrong with it stays wrong.

    The game's records had parts of their own, `options` and `numbers`; the network and its head were
    options of PPO, the only learner.
    """
    if not all(isinstance(values.get(part, {}), dict) for part in OLDER_PARTS):
        return values
    converted = {name: value for name, value in values.items() if name not in OLDER_PARTS}
    converted["problem"] = values.get("system", {})
    converted["env"] = {**values.get("options", {}), **values.get("numbers", {})}
    converted |= {"network": {"name": "mlp"}, "policy": {"name": "gaussian"}, "algorithm": {"name": "ppo"}}
    for name, value in values.get("ppo", {}).items():
        converted[MOVED.get(name, "algorithm")][RENAMED.get(name, name)] = value
    return converted


def fill_in(values: dict[str, Any]) -> dict[str, Any]:
    """A setting with what it meant before actions and rewards were scaled: the paper's units."""
    env = values.get("env")
    if isinstance(env, dict) and values.get("game", "contract") == "contract":
        return {**values, "env": {"scaling": "paper", **env}}
    return values

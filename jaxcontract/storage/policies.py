"""Policies on disk, and reading them back: `policy_files.py` says how they lie there.

Loading a policy never executes anything that its files contain.
"""

import os
import warnings
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from jaxcontract.config.setting import Setting
from jaxcontract.core.protocols import Network, PolicyHead
from jaxcontract.core.pytree import Arrays, by_path
from jaxcontract.learning.boxes import ActionBijector, ObservationNormalizer
from jaxcontract.learning.divergence import Divergence
from jaxcontract.learning.networks.initialize import init_network
from jaxcontract.learning.policies.network_policy import NetworkPolicy
from jaxcontract.storage import policies_schema1
from jaxcontract.storage.arrays import DamagedError, describe_arrays
from jaxcontract.storage.manifest import UNREADABLE, explain, read_archive, write_bundle
from jaxcontract.storage.policy_files import (
    HEAD,
    Head,
    chosen_seed,
    policy_directory,
    policy_file,
    read_head,
)


def save_policies(
    directory: Path,
    policies: Mapping[int, NetworkPolicy],
    setting: Setting,
    diverged: Mapping[int, Divergence] | None = None,
) -> None:
    """Write one policy per seed: `policy.json` and `seed-<seed>.npz` in `directory`.

    diverged: by seed; their policies are the last ones that were finite

    Raises:
        OSError: when they cannot be written, or do not read back as they were written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    notes = {
        "jaxcontract": version("jaxcontract"),
        "seeds": list(policies),
        "precision": str(next(iter(policies.values())).bijector.low.dtype),
        "diverged": {str(seed): found._asdict() for seed, found in (diverged or {}).items()},
        "setting": setting.as_dict(),
    }
    archives = {policy_file(directory, seed).name: by_path(policy) for seed, policy in policies.items()}
    write_bundle(directory / HEAD, "policy", notes, archives)


def load_policy(directory: str | os.PathLike[str], seed: int | None = None) -> NetworkPolicy:
    """Read back a policy that a run has saved: `load_policy("runs/first")`.

    It comes in the precision in which it was saved, or in single precision where JAX computes in no other.

    directory: the run's, or its `policy/`, where the policies are
    seed:      which of the run's seeds; by default its first

    Raises:
        ValueError: one line naming the file and what is wrong with it.

    Warns when the seed diverged: its policy is then the last one that was finite, perhaps an untrained one.
    """
    folder = policy_directory(directory)
    head = read_head(folder)
    seed = chosen_seed(folder, head.seeds, seed)
    if seed in head.diverged:
        warnings.warn(f"{directory}: {head.told(seed)}", stacklevel=2)
    path = policy_file(folder, seed)
    algorithm, (env, params) = head.setting.algorithm, head.setting.game.make()
    (num_inputs,), (num_actions,) = env.observation_space(params).shape, env.action_space(params).shape
    template = make_template(
        algorithm.network, algorithm.policy_head, env, (num_inputs, num_actions), head.precision
    )
    try:
        arrays = _read_policy(path, head, by_path(template))
    except UNREADABLE as error:
        raise ValueError(f"{path}: cannot be read as a policy ({explain(error)})") from None
    return jax.tree.unflatten(jax.tree.structure(template), list(map(jnp.asarray, arrays.values())))


def _read_policy(path: Path, head: Head, like: Mapping[str, Any]) -> Arrays:
    """The arrays of a policy by path, if they have the shapes and dtypes of others. Raises `UNREADABLE`."""
    expected = describe_arrays(like)
    if head.archives is None:
        return policies_schema1.read_arrays(path, expected)
    archive = head.archives[path.name]
    if archive.arrays != expected:
        raise DamagedError("its arrays are not those of a policy of this setting")
    return read_archive(path, archive)


def load_env(directory: str | os.PathLike[str]) -> tuple[Any, Any]:
    """The environment that a run's policies were trained in: `load_env("runs/first")`, (env, params).

    directory: the run's, or its `policy/`, where the policies are

    Raises:
        ValueError: one line naming the file and what is wrong with it.
    """
    return read_head(policy_directory(directory)).setting.game.make()


def saved_seeds(directory: str | os.PathLike[str]) -> list[int]:
    """The seeds whose policies are in `directory`; the first is what `load_policy` takes by default."""
    return list(read_head(policy_directory(directory)).seeds)


def make_template(
    network: Network, head: PolicyHead, env: Any, sizes: tuple[int, int], precision: str
) -> NetworkPolicy:
    """A policy of the right structure, shapes and dtypes, without numbers: those that it was saved in.

    sizes: of observations and of actions
    """
    num_inputs, num_actions = sizes
    with jax.enable_x64(precision == "float64"):
        num_outputs = head.num_outputs(num_actions)
        weights = jax.eval_shape(
            lambda: init_network(network, jax.random.key(0), env, num_inputs, num_outputs)
        )
        parameters = jax.eval_shape(lambda: head.init(num_actions))
    one_input, one_action = (jax.ShapeDtypeStruct((size,), precision) for size in (num_inputs, num_actions))
    return NetworkPolicy(
        weights=weights,
        parameters=parameters,
        normalizer=ObservationNormalizer(center=one_input, width=one_input),  # type: ignore[arg-type]
        bijector=ActionBijector(low=one_action, high=one_action),  # type: ignore[arg-type]
        network=network,
        head=head,
    )

"""Policies on disk, and reading them back.

Plain files only: JSON, and NumPy archives without pickled objects, so loading a policy never executes
anything that its files contain.
"""

import dataclasses
import io
import math
import os
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcontract.config.setting import Setting
from jaxcontract.core.pytree import by_path
from jaxcontract.envs.contract import ContractEnv, EnvParams
from jaxcontract.learning.divergence import Divergence
from jaxcontract.learning.policies.gaussian import Frame, Perceptron, Policy
from jaxcontract.mechanism.network_states import NetworkDistribution
from jaxcontract.storage.files import write_json
from jaxcontract.storage.policy_files import (
    HEAD,
    SCHEMA,
    chosen_seed,
    policy_directory,
    policy_file,
    read_head,
)

LARGEST_HEAD = 4096  # bytes with which NumPy describes an array


def make_env(setting: Setting) -> tuple[ContractEnv, EnvParams]:
    """The environment and its parameters that a setting describes."""
    env = ContractEnv(**dataclasses.asdict(setting.options))
    distribution = NetworkDistribution.equal_bands(env.num_types)
    numbers = dataclasses.asdict(setting.numbers)
    return env, EnvParams(system=setting.system, distribution=distribution, **numbers)


def save_policies(
    directory: Path,
    policies: Mapping[int, Policy],
    setting: Setting,
    diverged: Mapping[int, Divergence] | None = None,
) -> None:
    """Write one policy per seed: `policy.json` and `seed-<seed>.npz` in `directory`.

    diverged: by seed; their policies are the last ones that were finite
    """
    directory.mkdir(parents=True, exist_ok=True)
    for seed, policy in policies.items():
        temporary = directory / f"seed-{seed}.npz.tmp"
        with temporary.open("wb") as file:
            np.savez(file, **by_path(policy))
        temporary.replace(policy_file(directory, seed))
    head = {
        "schema": SCHEMA,
        "jaxcontract": version("jaxcontract"),
        "seeds": list(policies),
        "precision": str(next(iter(policies.values())).log_std.dtype),
        "diverged": {str(seed): found._asdict() for seed, found in (diverged or {}).items()},
        "setting": setting.as_dict(),
    }
    write_json(directory / HEAD, head)


def load_policy(directory: str | os.PathLike[str], seed: int | None = None) -> Policy:
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
    template = _template(head.setting, head.precision)
    expected = by_path(template)
    try:
        with zipfile.ZipFile(path) as archive:
            if sorted(archive.namelist()) != sorted(f"{name}.npy" for name in expected):
                raise ValueError("it does not hold the arrays of a policy of this setting")
            arrays = [_read_array(archive, name, like) for name, like in expected.items()]
    except (OSError, ValueError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path}: cannot be read as a policy ({error})") from None
    return jax.tree.unflatten(jax.tree.structure(template), list(map(jnp.asarray, arrays)))


def _read_array(archive: zipfile.ZipFile, name: str, like: Any) -> np.ndarray:
    """One array of a NumPy archive, which says its shape and dtype before it is believed."""
    num_bytes = like.dtype.itemsize * math.prod(like.shape)
    with archive.open(f"{name}.npy") as member:
        data = member.read(num_bytes + LARGEST_HEAD)
    head = io.BytesIO(data)
    try:
        np.lib.format.read_magic(head)
        shape, by_column, dtype = np.lib.format.read_array_header_1_0(head)
    except Exception:  # NumPy parses a head as Python code, with whatever errors that has
        raise ValueError(f"the head of {name} cannot be read") from None
    if shape != like.shape or dtype != like.dtype or by_column or len(data) != head.tell() + num_bytes:
        raise ValueError(f"{name} is {dtype}{shape}, not {like.dtype}{like.shape}")
    return np.frombuffer(data, dtype, offset=head.tell()).reshape(shape)


def load_env(directory: str | os.PathLike[str]) -> tuple[ContractEnv, EnvParams]:
    """The environment that a run's policies were trained in: `load_env("runs/first")`, (env, params).

    directory: the run's, or its `policy/`, where the policies are

    Raises:
        ValueError: one line naming the file and what is wrong with it.
    """
    return make_env(read_head(policy_directory(directory)).setting)


def saved_seeds(directory: str | os.PathLike[str]) -> list[int]:
    """The seeds whose policies are in `directory`; the first is what `load_policy` takes by default."""
    return list(read_head(policy_directory(directory)).seeds)


def _template(setting: Setting, precision: str) -> Policy:
    """A policy of the right structure, shapes and dtypes: those that it was saved in."""
    num_actions = 2 * setting.options.num_types
    num_inputs = num_actions + 4
    network = Perceptron(setting.ppo.hidden_sizes, num_actions)
    with jax.enable_x64(precision == "float64"):
        inputs = jax.ShapeDtypeStruct((num_inputs,), precision)
        weights = jax.eval_shape(network.init, jax.random.key(0), inputs)
        one_input, one_action = (jnp.zeros(size, precision) for size in (num_inputs, num_actions))
    return Policy(
        weights=weights,
        log_std=one_action,
        frame=Frame(center=one_input, width=one_input, low=one_action, high=one_action),
        hidden_sizes=setting.ppo.hidden_sizes,
    )

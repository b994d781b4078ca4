"""Policies on disk, and reading them back.

Plain files only: JSON, and NumPy archives without pickled objects, so loading a policy never executes
anything that its files contain.
"""

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
from jaxcontract.core.protocols import Network, PolicyHead
from jaxcontract.core.pytree import by_path
from jaxcontract.learning.boxes import ActionBijector, ObservationNormalizer
from jaxcontract.learning.divergence import Divergence
from jaxcontract.learning.policies.network_policy import NetworkPolicy
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


def save_policies(
    directory: Path,
    policies: Mapping[int, NetworkPolicy],
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
        "precision": str(next(iter(policies.values())).bijector.low.dtype),
        "diverged": {str(seed): found._asdict() for seed, found in (diverged or {}).items()},
        "setting": setting.as_dict(),
    }
    write_json(directory / HEAD, head)


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
        algorithm.network, algorithm.policy_head, num_inputs, num_actions, head.precision
    )
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
    network: Network, head: PolicyHead, num_inputs: int, num_actions: int, precision: str
) -> NetworkPolicy:
    """A policy of the right structure, shapes and dtypes, without numbers: those that it was saved in."""
    with jax.enable_x64(precision == "float64"):
        num_outputs = head.num_outputs(num_actions)
        weights = jax.eval_shape(lambda: network.init(jax.random.key(0), num_inputs, num_outputs))
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

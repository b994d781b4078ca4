"""Policies on disk, and reading them back.

Plain files only: JSON, and NumPy archives without pickled objects, so loading a policy never executes
anything that its files contain.
"""

import dataclasses
import io
import json
import math
import os
import warnings
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxcontract.env import ContractEnv, EnvParams
from jaxcontract.files import write_json
from jaxcontract.learning.divergence import Divergence
from jaxcontract.learning.policy import Frame, Perceptron, Policy
from jaxcontract.mechanism.networks import NetworkDistribution
from jaxcontract.pytree import by_path
from jaxcontract.settings import Setting, setting_from_dict

SCHEMA = 1
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
        temporary.replace(directory / f"seed-{seed}.npz")
    head = {
        "schema": SCHEMA,
        "jaxcontract": version("jaxcontract"),
        "seeds": list(policies),
        "diverged": {str(seed): found._asdict() for seed, found in (diverged or {}).items()},
        "setting": setting.as_dict(),
    }
    write_json(directory / "policy.json", head)


def load_policy(directory: str | os.PathLike[str], seed: int | None = None) -> Policy:
    """Read back a policy that a run has saved: `load_policy("runs/…/policy")`.

    directory: where the run has its policies
    seed:      which of the run's seeds; by default its first

    Raises:
        ValueError: one line naming the file and what is wrong with it.

    Warns when the seed diverged: its policy is then the last one that was finite, perhaps an untrained one.
    """
    setting, seeds, diverged = _read_head(Path(directory))
    seed = seeds[0] if seed is None else seed
    if seed not in seeds:
        raise ValueError(f"{directory}: has no policy of seed {seed}; it has {seeds}")
    if seed in diverged:
        warnings.warn(f"{directory}: {_told(seed, seeds, diverged)}", stacklevel=2)
    path = Path(directory) / f"seed-{seed}.npz"
    template = _template(setting)
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
    """The environment that a run's policies were trained in: `load_env("runs/…/policy")`, (env, params).

    directory: where the run has its policies

    Raises:
        ValueError: one line naming the file and what is wrong with it.
    """
    return make_env(_read_head(Path(directory)).setting)


def saved_seeds(directory: str | os.PathLike[str]) -> list[int]:
    """The seeds whose policies are in `directory`; the first is what `load_policy` takes by default."""
    return _read_head(Path(directory)).seeds


def refuse_diverged(directory: str | os.PathLike[str], seed: int | None = None) -> None:
    """Let nobody use the policy of a seed that diverged without knowing it.

    seed: by default the first

    Raises:
        ValueError: one line naming the seed, the update, the quantity and the seeds that did not diverge.
    """
    head = _read_head(Path(directory))
    seed = head.seeds[0] if seed is None else seed
    if seed in head.diverged:
        raise ValueError(f"{directory}: {_told(seed, head.seeds, head.diverged)}")


def _told(seed: int, seeds: Sequence[int], diverged: Mapping[int, Divergence]) -> str:
    """What a person should know of the policy of a seed that diverged."""
    update, quantity = diverged[seed]
    others = [other for other in seeds if other not in diverged]
    use = f"of these seeds it is whole: {others}" if others else "no seed of this run came to its end"
    what = f"seed {seed} diverged in update {update}: its {quantity} is not finite"
    return f"{what}, and its policy is the last one that was; {use}"


class Head(NamedTuple):
    """What `policy.json` says."""

    setting: Setting
    seeds: list[int]
    diverged: dict[int, Divergence]


def _read_head(directory: Path) -> Head:
    path = directory / "policy.json"
    try:
        head = json.loads(path.read_text("utf-8"))
        if head["schema"] != SCHEMA:
            raise ValueError(f"schema {head['schema']!r}, this version reads {SCHEMA}")
        diverged = head.get("diverged", {}).items()  # older files lack it
        return Head(
            setting_from_dict(head["setting"]),
            [int(seed) for seed in head["seeds"]],
            {int(seed): Divergence(int(one["update"]), str(one["quantity"])) for seed, one in diverged},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path}: cannot be read as a policy's description ({error})") from None


def _template(setting: Setting) -> Policy:
    """A policy of the right structure, shapes and dtypes: float32, whatever JAX now computes in."""
    num_actions = 2 * setting.options.num_types
    num_inputs = num_actions + 4
    network = Perceptron(setting.ppo.hidden_sizes, num_actions)
    inputs = jax.ShapeDtypeStruct((num_inputs,), jnp.float32)
    with jax.enable_x64(False):
        weights = jax.eval_shape(network.init, jax.random.key(0), inputs)
    one_input, one_action = (jnp.zeros(size, jnp.float32) for size in (num_inputs, num_actions))
    return Policy(
        weights=weights,
        log_std=one_action,
        frame=Frame(center=one_input, width=one_input, low=one_action, high=one_action),
        hidden_sizes=setting.ppo.hidden_sizes,
    )

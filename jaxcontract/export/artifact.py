"""A trained policy as one file that runs without what trained it, its description and weights beside it."""

import dataclasses
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxcontract.core.pytree import Arrays, to_arrays
from jaxcontract.envs.contract import ContractEnv, EnvParams
from jaxcontract.evaluation.states import unseen_states
from jaxcontract.export.actions import KEY_KIND, KEY_WORDS, build_numpy_actions, join_weights
from jaxcontract.export.description import WEIGHTS, SelfTest, description_file, is_contract, weights_file
from jaxcontract.export.exported_policy import deserialize, make_policy, require_flatbuffers
from jaxcontract.export.numpy_policy import build_numpy_policy
from jaxcontract.learning.policies.network_policy import NetworkPolicy
from jaxcontract.mechanism import feasible, freshness
from jaxcontract.mechanism.network_states import observe
from jaxcontract.mechanism.records import NetworkState
from jaxcontract.storage.files import write_new
from jaxcontract.storage.manifest import digest_bytes, write_bundle
from jaxcontract.storage.policies import load_env, load_policy, saved_seeds
from jaxcontract.storage.policy_files import chosen_seed, policy_directory, read_head, refuse_diverged

PLATFORMS = ("cpu", "cuda")
TESTED = 16  # states in a self-test


def export_policy(
    directory: str | os.PathLike[str], file: str | os.PathLike[str], seed: int | None = None
) -> str:
    """Write a policy that a run has saved as an artifact for CPU and CUDA: `file`, `file`.json, `file`.npz.

    directory: the run's, or its `policy/`, where the policies are
    file:      what to write; `load_exported` and `load_numpy_policy` read it
    seed:      which of the run's seeds; by default its first

    The artifact is the function from observations (11), [N, 4 + 2K] in float32 for any N, to actions
    [N, 2K], frequency and payment [N, K], with the weights and the deployment in it. The JSON and
    the archive of weights hold the same in words and numbers (`jaxcontract/export/description.py`). Both have
    passed their self-test before they are written, and nothing is overwritten.

    Returns the sha256 of the description, which covers artifact and weights: give it to those who load them.

    Raises:
        ValueError: one line naming the file and what is wrong with it, or the seed when that diverged.
        OSError: when they cannot be written, or do not read back as they were written. None of them is left.
        ImportError: when flatbuffers is not installed.
    """
    require_flatbuffers()
    file = Path(file)
    for path in (file, description_file(file), weights_file(file)):
        if path.exists():
            raise ValueError(f"{path}: exists already; name a new file")
    if not file.parent.is_dir():
        raise ValueError(f"{file}: there is no directory {file.parent}")
    directory = policy_directory(directory)
    seed = chosen_seed(directory, saved_seeds(directory), seed)
    refuse_diverged(directory, seed)
    # float32 whatever JAX is set to, and no shorter products on GPUs.
    with jax.enable_x64(False), jax.default_matmul_precision("highest"):
        made = make_export(directory, seed)
        verify(made)
    return _write_new_files(file, made)


class Export(NamedTuple):
    """An artifact, the notes of its description, and the weights of its network and head by path."""

    artifact: bytes
    notes: dict[str, Any]
    weights: Arrays


def _write_new_files(file: Path, made: Export) -> str:
    """Write three new files, or none: another export may have come first. Raises ValueError."""
    written: list[Path] = []

    def write(path: Path, data: bytes) -> None:
        write_new(path, data)
        written.append(path)

    try:
        write(file, made.artifact)
        return write_bundle(description_file(file), "export", made.notes, {WEIGHTS: made.weights}, write)
    except BaseException as error:
        for path in written:
            path.unlink(missing_ok=True)
        if isinstance(error, FileExistsError):
            raise ValueError(f"{error.filename}: exists already; name a new file") from None
        raise


def make_export(directory: str | os.PathLike[str], seed: int) -> Export:
    """What an export of a policy consists of."""
    policy, (env, params) = load_policy(directory, seed), load_env(directory)
    if isinstance(env, ContractEnv):
        function = make_function(policy, env, params)
        notes = {**describe_game(policy, env, params), "self_test": self_test(function, params)}
    else:
        function = make_actions(policy)
        notes = {
            **describe_spaces(policy),
            "draws": True,
            "self_test": answer_first_observations(function, env, params),
        }
    artifact = export_function(function, len(policy.normalizer.center), takes_key="draws" in notes)
    notes = {
        "versions": {"jaxcontract": version("jaxcontract"), "jax": jax.__version__},
        "artifact": {"sha256": digest_bytes(artifact), "platforms": list(PLATFORMS)},
        "seed": seed,
        "setting": read_head(Path(directory)).setting.as_dict(),
        **notes,
    }
    return Export(artifact, notes, to_arrays(join_weights(policy.weights, policy.parameters, policy.head)))


def make_function(policy: NetworkPolicy, env: ContractEnv, params: EnvParams) -> Any:
    """The function that is exported: [N, 4 + 2K] → [N, 2K], [N, K], [N, K]."""
    size = env.num_types

    def answer(observation: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        action = policy(observation)
        state = NetworkState(
            max_aoi=observation[2],
            max_latency=observation[3],
            type_probs=observation[4 : 4 + size],
            device_types=observation[4 + size :],
        )
        contract = env.contract(state, action, params)
        return action, contract.frequency, contract.payment

    return jax.jit(jax.vmap(answer))


def make_actions(policy: NetworkPolicy) -> Any:
    """The function that is exported of other games: [N, O] and two words of a key → [N, A], [N, A].

    The first are the actions of the policy's mode, the second are drawn from it.
    """

    def answer(observations: jax.Array, key_data: jax.Array) -> tuple[jax.Array, jax.Array]:
        key = jax.random.wrap_key_data(key_data, impl=KEY_KIND)
        return policy(observations), policy.sample(key, observations)

    return jax.jit(answer)


def export_function(function: Any, num_inputs: int, takes_key: bool = False) -> bytes:
    """The artifact, for any number of rows."""
    (rows,) = jax.export.symbolic_shape("rows")
    inputs = [jax.ShapeDtypeStruct((rows, num_inputs), jnp.float32)]
    inputs += [jax.ShapeDtypeStruct((KEY_WORDS,), jnp.uint32)] if takes_key else []
    # Only this way are as many numbers drawn as there are rows, however many.
    with without_paths(), jax.threefry_partitionable(True):
        return bytes(jax.export.export(function, platforms=PLATFORMS)(*inputs).serialize())


@contextmanager
def without_paths() -> Iterator[None]:
    """Keep out of programs where on this machine their source lies: whose it is, is nobody's business."""
    setting = "jax_traceback_in_locations_limit"
    before = getattr(jax.config, setting)
    jax.config.update(setting, 0)
    try:
        yield
    finally:
        jax.config.update(setting, before)


def describe_game(policy: NetworkPolicy, env: ContractEnv, params: EnvParams) -> dict[str, Any]:
    """The game that the policy plays, and how it sees it."""
    system = dataclasses.asdict(params.system)
    return {
        "num_types": env.num_types,
        **({"fewest_types": env.fewest_types} if env.fewest_types else {}),
        "actions": env.actions,
        "system": {name: float(value) for name, value in system.items()},
        "feasible_map": {
            "least_defined": freshness.least_defined(jnp.float32),
            "payment_unit": float(params.scale.payment_unit),
            "frequency_shift": float(params.scale.frequency_shift),
            "rent_scale": feasible.RENT_SCALE,
            "rent_gain": feasible.RENT_GAIN,
            "rent_offset": feasible.RENT_OFFSET,
            "share_gain": feasible.SHARE_GAIN,
            "share_offset": feasible.SHARE_OFFSET,
        },
        "observation": describe_spaces(policy)["observation"],
    }


def describe_spaces(policy: NetworkPolicy) -> dict[str, Any]:
    """How a policy scales observations, and the bounds of its actions; infinite ones as text."""
    bounds = {name: np.asarray(getattr(policy.bijector, name)) for name in ("low", "high")}
    return {
        "observation": {
            "center": policy.normalizer.center.tolist(),
            "width": policy.normalizer.width.tolist(),
        },
        "action": {
            name: [float(value) if np.isfinite(value) else str(value) for value in bound]
            for name, bound in bounds.items()
        },
    }


def answer_first_observations(function: Any, env: Any, params: Any) -> dict[str, Any]:
    """First observations of some episodes with the actions of a policy, and those drawn by the key of 0."""
    keys = jax.random.split(jax.random.key(0), TESTED)
    observations = jax.vmap(lambda key: env.reset(key, params)[0])(keys)
    # Of a game of several players, what each of them sees is an observation of its own.
    observations = jnp.reshape(observations, (-1, observations.shape[-1]))[:TESTED]
    with jax.threefry_partitionable(True):
        actions, draws = function(observations, jnp.zeros(KEY_WORDS, jnp.uint32))
    columns = {"observations": observations, "actions": actions, "draws": draws}
    return {name: np.asarray(column).tolist() for name, column in columns.items()}


def self_test(function: Any, params: EnvParams) -> dict[str, Any]:
    """Observations of unseen states with what the policy makes of them."""
    states = unseen_states(params.distribution, TESTED)
    observations = jax.vmap(observe, in_axes=(None, 0))(params.system, states)
    actions, frequency, payment = function(observations)
    columns = {
        "observations": observations,
        "actions": actions,
        "frequency": frequency,
        "payment": payment,
    }
    return {name: np.asarray(column).tolist() for name, column in columns.items()}


def verify(made: Export) -> None:
    """Let the artifact, read back, and the NumPy policy answer the self-test. Raises ValueError."""
    test = SelfTest.from_description(made.notes)
    test.check(make_policy(deserialize(made.artifact), made.notes).answers)
    build = build_numpy_policy if is_contract(made.notes) else build_numpy_actions
    test.without("draws").check(build(made.notes, made.weights).answers)

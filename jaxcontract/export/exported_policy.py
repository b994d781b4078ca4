"""An exported policy back in use: states in, contracts out. Needs jax, and none of what trains."""

import importlib.util
import os
import warnings
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from jaxcontract.core.fields import first_line, refuse
from jaxcontract.export.actions import ExportedActions
from jaxcontract.export.description import (
    LARGEST,
    Answers,
    SelfTest,
    check_types,
    description_file,
    find_fewest_types,
    is_contract,
    read_description,
    unreadable,
)
from jaxcontract.mechanism.network_states import observe
from jaxcontract.mechanism.records import Contract, NetworkState, System
from jaxcontract.mechanism.validation import network_fields
from jaxcontract.mechanism.varied_types import pad_network
from jaxcontract.storage.manifest import digest_bytes

ONE_CALL = (
    "ExportedPolicy: jax.vmap cannot go into an exported program: call it on a batch, whose fields are "
    "[N] and [N, K]"
)
INSTALL = 'flatbuffers is not installed, and jax.export needs it: pip install "jaxcontract[export]"'


class ExportedPolicy:
    """A policy as one compiled function. `load_exported` makes it; call it for contracts.

    exported:  observations [N, 4 + 2K] → actions [N, 2K], frequency and payment [N, K]
    system:    the deployment that it was trained for
    num_types: K
    fewest_types: where it is above 0, networks may have from so many types to K: they are padded

    It is compiled once for each number of states that it is asked about at a time. For the same number
    it gives the same bits as the policy that was exported, on the same kind of machine.
    """

    def __init__(
        self, exported: jax.export.Exported, system: System, num_types: int, fewest_types: int = 0
    ) -> None:
        self.system, self.num_types, self.fewest_types = system, num_types, fewest_types
        self._program = jax.jit(exported.call)

    def __repr__(self) -> str:
        return f"ExportedPolicy(num_types={self.num_types}, system={self.system})"

    def __call__(
        self,
        state: NetworkState | None = None,
        /,
        *,
        max_aoi: Any = None,
        max_latency: Any = None,
        type_probs: Any = None,
        device_types: Any = None,
    ) -> Contract:
        """The contract to offer in a network state, or in each of a batch; shapes as in `NetworkState`.

        state: a `NetworkState`, or its fields by name
        max_aoi, max_latency: [...]  seconds; type_probs, device_types: [..., K]

        Raises:
            ValueError: when the policy is for another number of types, or there is no state, or a field is
                not what `NetworkState` allows.
            NotImplementedError: under `jax.vmap`, which cannot go into an exported program.
        """
        given = {"max_aoi": max_aoi, "max_latency": max_latency}
        given |= {"type_probs": type_probs, "device_types": device_types}
        given = network_fields("ExportedPolicy", state, given)
        state = state if isinstance(state, NetworkState) else NetworkState(**given)
        probs = jnp.asarray(state.type_probs)
        check_types(probs, state.device_types, self.fewest_types, self.num_types)
        if probs.size == 0:
            raise refuse("NetworkState", "type_probs", probs, "of one state at least")
        batch = NetworkState(
            max_aoi=jnp.ravel(state.max_aoi),
            max_latency=jnp.ravel(state.max_latency),
            type_probs=probs.reshape(-1, probs.shape[-1]),
            device_types=jnp.reshape(state.device_types, (-1, probs.shape[-1])),
        )
        batch = pad_network(batch, self.num_types)
        observations = jax.vmap(observe, in_axes=(None, 0))(self.system, batch)
        _, frequency, payment = self.answers(observations)
        items = (values[:, : probs.shape[-1]].reshape(probs.shape) for values in (frequency, payment))
        return Contract(**dict(zip(("frequency", "payment"), items, strict=True)))

    def answers(self, observations: Any) -> Answers:
        """Actions [N, 2K], frequency and payment [N, K] for observations (11), [N, 4 + 2K].

        Raises:
            ValueError: when they have another shape.
            NotImplementedError: as a call.
        """
        rows, length = jnp.asarray(observations, jnp.float32), 4 + 2 * self.num_types
        if rows.ndim != 2 or rows.shape[1] != length:
            raise ValueError(f"ExportedPolicy: observations of shape {rows.shape}: must be [N, {length}]")
        try:
            answers: Answers = self._program(rows)
        except NotImplementedError:
            raise NotImplementedError(ONE_CALL) from None
        return answers


def load_exported(
    file: str | os.PathLike[str], *, sha256: str | None = None
) -> ExportedPolicy | ExportedActions:
    """Read a policy that `export_policy` has written: `load_exported("policy.jaxexport")`.

    file:   the artifact, with FILE.json beside it (FILE.npz is not needed)
    sha256: the digest that `export_policy` gave. An artifact is a program: by default it is held against
        the digest in the JSON beside it, which whoever can change both files can change as well.

    It has answered the description's 16 states as it should before it is handed out. Of a game other than
    the contract game it is a function from observations to actions, `ExportedActions`.

    Raises:
        ValueError: one line naming the file and what is wrong with it; both versions of jax, where one
            cannot run what the other has written (`load_numpy_policy` reads that too).
        ImportError: when flatbuffers is not installed.

    Warns when another version of jax wrote it: the last bits may then differ.
    """
    file = Path(file)
    require_flatbuffers()
    notes = read_description(file, sha256).notes
    try:
        test = SelfTest.from_description(notes)
        stated, written_by = notes["artifact"]["sha256"], notes["versions"]["jax"]
    except (ValueError, KeyError, TypeError) as error:
        raise unreadable(description_file(file), error) from None
    try:
        data = artifact_bytes(file, stated)
    except (OSError, ValueError) as error:
        raise unreadable(file, error) from None
    try:
        policy = make_policy(deserialize(data), notes)
        policy.answers(test.observations)
    except Exception as error:  # what MLIR and XLA make of a program that is not for them
        if written_by == jax.__version__:
            raise unreadable(file, error) from None
        raise ValueError(
            f"{file}: written by jax {written_by}, and jax {jax.__version__} cannot run it "
            f"({first_line(error)}): use load_numpy_policy, which needs no JAX, or jax {written_by}"
        ) from None
    try:
        test.check(policy.answers)
    except ValueError as error:
        raise unreadable(file, error) from None
    if written_by != jax.__version__:
        warnings.warn(
            f"{file}: written by jax {written_by}, read by {jax.__version__}; its self-test passes, and "
            "its last bits may differ",
            stacklevel=2,
        )
    return policy


def make_policy(exported: jax.export.Exported, notes: dict[str, Any]) -> ExportedPolicy | ExportedActions:
    """The policy of an artifact that has been read, and of its description."""
    if is_contract(notes):
        return ExportedPolicy(
            exported, System(**notes["system"]), notes["num_types"], find_fewest_types(notes)
        )
    return ExportedActions(
        program=jax.jit(exported.call),
        num_inputs=len(notes["observation"]["center"]),
        draws=bool(notes.get("draws")),
    )


def artifact_bytes(file: Path, stated: str) -> bytes:
    """An artifact, if its digest is the one that its description states. Raises OSError, ValueError."""
    if file.stat().st_size > LARGEST:
        raise ValueError("it is too large")
    data = file.read_bytes()
    if digest_bytes(data) != stated:
        raise ValueError(f"its sha256 is not the one in {description_file(file).name}: damaged, or another's")
    return data


def deserialize(data: bytes) -> Any:
    """The exported function in some bytes. Raises ValueError."""
    try:
        return jax.export.deserialize(bytearray(data))
    except Exception as error:  # what flatbuffers and MLIR make of a file that is not theirs
        raise ValueError(f"jax {jax.__version__} cannot read it: {type(error).__name__} {error}") from None


def require_flatbuffers() -> None:
    """Raises ImportError, in one line that says how to install it, where flatbuffers is missing."""
    if importlib.util.find_spec("flatbuffers") is None:
        raise ImportError(INSTALL)

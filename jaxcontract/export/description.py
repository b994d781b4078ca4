"""What lies beside an exported policy: all that made it, its weights, and a test of itself. No JAX.

Beside the artifact `POLICY` lie `POLICY.npz`, an archive of the network's weights by their paths, and
`POLICY.json`, a manifest of kind "export" (`storage/manifest.py`), whose digest covers all three. Its notes:

    versions      of jaxcontract and jax that wrote it
    artifact      the sha256 of the artifact, and the platforms that it is for
    seed          of the run, whose policy this is
    setting       what was trained, with the network and the head that have the weights
    num_types     K
    fewest_types  the fewest types of a network, where it is padded to K; 0 or not there: all have K
    actions       "feasible" or "raw", what the network's output stands for
    system        the deployment that the policy was trained for, units as in `System`
    feasible_map  the numbers of `feasible_contract`
    observation   center and width, [4 + 2K] each: trained on observations (11) in center ± width
    self_test     observations [16, 4 + 2K], and the actions, frequency and payment expected for them

A policy of any other game is described in `actions.py`. What jaxcontract 0.2 wrote has the weights in the
JSON, as a list of `layers`: `schema1.py` reads that.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeAlias

import numpy as np

from jaxcontract.core.fields import concrete, refuse
from jaxcontract.export import schema1
from jaxcontract.mechanism.places import find_taken
from jaxcontract.storage.manifest import (
    UNREADABLE,
    Archive,
    OlderSchemaError,
    archive_file,
    explain,
    read_archive,
    read_body,
    read_manifest,
)

if TYPE_CHECKING:
    from jaxcontract.core.pytree import Arrays

WEIGHTS = "*.npz"  # the archive of weights
LARGEST = 64 * 2**20  # bytes of an artifact
# Of a self-test, relative to the largest of a row, and absolute: other devices round in another order.
TOLERANCE = 1e-5

# actions [N, 2K], frequency and payment [N, K] of the contract game; actions and draws [N, A] of any other
Answers: TypeAlias = tuple[Any, ...]


class Description(NamedTuple):
    """The description of an artifact, verified.

    weights: what the manifest says of their archive; None in schema 1, which has them in its notes
    """

    notes: dict[str, Any]
    weights: Archive | None


def description_file(file: Path) -> Path:
    """Where the description of an artifact lies."""
    return file.with_name(file.name + ".json")


def weights_file(file: Path) -> Path:
    """Where the weights of an artifact lie."""
    return archive_file(description_file(file), WEIGHTS)


def read_description(file: Path, sha256: str | None = None) -> Description:
    """The description beside an artifact, whole and unchanged.

    sha256: the digest that it must have, from where you trust it; by default the one that it states

    Raises:
        ValueError: one line naming the file and what is wrong with it.
    """
    if not file.name:
        raise unreadable(file, ValueError("this names no file"))
    path = description_file(file)
    try:
        description, stated = _read(path)
        if sha256 not in (None, stated):
            raise ValueError(f"its sha256 is {stated}, not {sha256}")
    except UNREADABLE as error:
        raise unreadable(path, error) from None
    return description


def _read(path: Path) -> tuple[Description, str]:
    """A description and its digest. Raises one of `UNREADABLE`."""
    try:
        manifest = read_manifest(path, "export")
    except OlderSchemaError:
        body, stated = read_body(path)
        return Description(body, None), stated
    return Description(manifest.notes, manifest.archives[WEIGHTS]), manifest.sha256


def read_weights(file: Path, description: Description) -> "Arrays":
    """The weights of an artifact's network by path, whole and unchanged.

    Raises:
        ValueError: one line naming the file and what is wrong with it.
    """
    path = description_file(file) if description.weights is None else weights_file(file)
    try:
        if description.weights is None:
            return schema1.parse_weights(description.notes)
        return read_archive(path, description.weights)
    except UNREADABLE as error:
        raise unreadable(path, error) from None


def unreadable(path: Path, error: Exception) -> ValueError:
    """The one line that a file gets which is no exported policy."""
    return ValueError(f"{path}: cannot be read as an exported policy ({explain(error)})")


def check_observations(owner: str, observations: Any, length: int) -> Any:
    """Observations as an array, if they are numbers [..., length]. Raises ValueError."""
    array = observations if hasattr(observations, "shape") else np.asarray(observations)
    if np.asarray(array).dtype.kind not in "fiu":
        kind = type(observations).__name__
        raise ValueError(
            f"{owner}: must be called with observations, numbers [..., {length}], not with a {kind}"
        )
    if np.shape(array)[-1:] != (length,):
        raise ValueError(f"{owner}: observations of shape {np.shape(array)}: must be [..., {length}]")
    return array


def finite_array(values: Any, *shape: int) -> np.ndarray:
    """Numbers of a description as an array of this shape. Raises ValueError."""
    array = np.asarray(values, np.float64)
    if array.shape != shape or not np.isfinite(array).all():
        raise ValueError(f"finite numbers of shape {shape} expected, there are some of shape {array.shape}")
    return array


def find_fewest_types(notes: dict[str, Any]) -> int:
    """The fewest types of networks that an exported policy is for; 0 where all have `num_types`."""
    fewest = notes.get("fewest_types", 0)
    if type(fewest) is not int or not 0 <= fewest <= notes["num_types"]:
        raise ValueError(f"fewest_types {fewest!r}")
    return fewest


def check_types(probs: Any, types: Any, fewest: int, num_types: int) -> None:
    """See to it that networks have the types that a policy is for.

    probs, types: Q and φ, [..., K]; fewest: 0 where all networks have `num_types`, without empty places

    Raises:
        ValueError: with another K, or, of a policy for a range of K, with empty places behind the types: it
            pads by itself, and would otherwise take the K of one network for that of another.
    """
    given: Any = concrete(probs), concrete(types)
    if not (fewest or num_types) <= probs.shape[-1] <= num_types:
        many = f"{fewest} to {num_types}" if fewest else f"{num_types}"
        shown = probs if given[0] is None else given[0]
        raise refuse("NetworkState", "type_probs", shown, f"of the policy's {many} types")
    if not fewest or given[0] is None or given[1] is None:
        return
    taken = find_taken(*(np.moveaxis(values, -1, 0) for values in given))
    padded = np.argwhere(~taken[-1])
    if len(padded):
        first = tuple(padded[0].tolist())
        empty = int(np.sum(~taken[(slice(None), *first)]))
        which = f" of network {', '.join(map(str, first))}" if first else ""
        allowed = f"without empty places: the last {empty}{which} have no share and repeat the type before"
        raise refuse("NetworkState", "type_probs", given[0][first], allowed)


def is_contract(notes: dict[str, Any]) -> bool:
    """Whether a description is of a policy of the contract game, which has a use of its own."""
    return "num_types" in notes


@dataclasses.dataclass(frozen=True, kw_only=True)
class SelfTest:
    """Observations [R, O] with what the policy made of them where it was exported, by name."""

    observations: np.ndarray
    answers: dict[str, np.ndarray]

    @classmethod
    def from_description(cls, body: dict[str, Any]) -> Self:
        """Raises ValueError, KeyError or TypeError when there is none of the right shapes."""
        rows = len(body["self_test"]["observations"])
        if rows == 0:
            raise ValueError("its self-test is empty")
        if is_contract(body):
            size = body["num_types"]
            widths = {"observations": 4 + 2 * size, "actions": 2 * size, "frequency": size, "payment": size}
        else:
            widths = {
                "observations": len(body["observation"]["center"]),
                **dict.fromkeys(("actions", "draws")[: 1 + ("draws" in body)], len(body["action"]["low"])),
            }
        found = {name: finite_array(body["self_test"][name], rows, width) for name, width in widths.items()}
        return cls(observations=found.pop("observations"), answers=found)

    def without(self, name: str) -> Self:
        """The test of those who do not answer by this name."""
        return dataclasses.replace(
            self, answers={other: rows for other, rows in self.answers.items() if other != name}
        )

    def check(self, answers: Callable[[np.ndarray], Answers]) -> None:
        """Raises ValueError unless the answers to the observations are those expected."""
        given_answers = answers(self.observations)
        for (name, expected), given in zip(self.answers.items(), given_answers, strict=True):
            # An error in one of many items is of the size of the largest, not of its own.
            scale = 1.0 + np.max(np.abs(expected), axis=-1, keepdims=True)
            wrong = ~(np.abs(np.asarray(given) - expected) <= TOLERANCE * scale)
            if wrong.any():
                row, column = np.argwhere(wrong)[0]
                raise ValueError(
                    f"its self-test fails: {name}[{row}, {column}] is {np.asarray(given)[row, column]:.7g}, "
                    f"{expected[row, column]:.7g} where it was exported"
                )

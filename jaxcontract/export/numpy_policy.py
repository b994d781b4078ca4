"""A trained policy in NumPy alone, from an export's description and weights: states in, contracts out."""

import dataclasses
import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jaxcontract.config.setting import setting_from_dict
from jaxcontract.core.fields import ByValue, concrete, finite, refuse
from jaxcontract.core.protocols import Network, PolicyHead
from jaxcontract.export.actions import NumpyActions, build_numpy_actions, split_weights
from jaxcontract.export.description import (
    Answers,
    SelfTest,
    check_observations,
    check_types,
    description_file,
    find_fewest_types,
    finite_array,
    is_contract,
    read_description,
    read_weights,
    unreadable,
)
from jaxcontract.learning.networks.mlp import MLP
from jaxcontract.learning.policies.gaussian import Gaussian
from jaxcontract.mechanism.feasible_numpy import FeasibleMap, feasible_items, sigmoid
from jaxcontract.mechanism.places import find_taken, pad_types, skip_empty
from jaxcontract.mechanism.system import System
from jaxcontract.mechanism.validation import check_network, network_fields

if TYPE_CHECKING:
    from jaxcontract.core.pytree import Arrays


class Layer(NamedTuple):
    """[I, ...] → [O, ...]: kernel [I, O] and bias [O]."""

    kernel: np.ndarray
    bias: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class Perceptron(ByValue):
    """Dense layers with tanh between them."""

    layers: tuple[Layer, ...]

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        """[I, ...] → [O, ...]."""
        hidden = np.moveaxis(inputs, 0, -1)
        for kernel, bias in self.layers[:-1]:
            hidden = np.tanh(hidden @ kernel + bias)
        return np.moveaxis(hidden @ self.layers[-1].kernel + self.layers[-1].bias, -1, 0)


@dataclasses.dataclass(frozen=True, eq=False)
class NetworkMode(ByValue):
    """The mode of a head at a network's output; what does not compute in NumPy brings JAX along."""

    network: Network
    head: PolicyHead
    weights: dict[str, Any]
    parameters: dict[str, Any]

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        """[I, ...] → [A, ...]."""
        return np.asarray(self.head.mode(self.network.apply(self.weights, inputs), self.parameters))


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class NumpyContract(ByValue):
    """A contract's items: frequency [..., K], updates per slot, and payment [..., K] per round."""

    frequency: np.ndarray
    payment: np.ndarray


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class NumpyPolicy:
    """A policy that needs no JAX. `load_numpy_policy` makes it; call it for contracts.

    system:        the deployment that the policy was trained for
    actions:       "feasible" or "raw", as in `ContractEnv`
    feasible_map:  the numbers of `feasible_contract`
    center, width: [4 + 2K]  observations are scaled to (o − center)/width
    raw_action:    scaled observations [4 + 2K, ...] → raw actions [2K, ...], of the network and its head
    fewest_types:  where it is above 0, networks may have from so many types to K: they are padded
    rounds_inputs: whether scaled observations are rounded to float32, as the artifact's are: a network that
        takes differences between items makes much of that rounding where there are many

    All else is computed in float64: from the artifact's float32 its items differ by less than 1e-6 (2e-6 from
    200 types on, as much as float32 from itself), with a perceptron by less than 1e-6 of their size.
    """

    system: System
    actions: str
    feasible_map: FeasibleMap
    center: np.ndarray
    width: np.ndarray
    raw_action: Callable[[np.ndarray], np.ndarray]
    fewest_types: int = 0
    rounds_inputs: bool = False

    def __repr__(self) -> str:
        return f"NumpyPolicy(num_types={self.num_types}, actions={self.actions!r}, system={self.system})"

    @property
    def num_types(self) -> int:
        """K."""
        return (len(self.center) - 4) // 2

    def __call__(
        self,
        state: Any = None,
        /,
        *,
        max_aoi: Any = None,
        max_latency: Any = None,
        type_probs: Any = None,
        device_types: Any = None,
    ) -> NumpyContract:
        """The contract to offer in a network state, or in each of a batch; shapes as in `NetworkState`.

        state: a `NetworkState`, or its fields by name
        max_aoi, max_latency: [...]  seconds; type_probs, device_types: [..., K]

        Raises:
            ValueError: naming the field, its value and what is allowed.
        """
        given = {"max_aoi": max_aoi, "max_latency": max_latency}
        given |= {"type_probs": type_probs, "device_types": device_types}
        given = network_fields("NumpyPolicy", state, given)
        aoi, latency, probs, types = (_numbers(name, value) for name, value in given.items())
        check_network(aoi, latency, probs, types)
        size = probs.shape[-1]
        check_types(probs, types, self.fewest_types, self.num_types)
        probs, types = pad_types(probs, types, self.num_types)
        constants = np.broadcast_to([float(self.system.num_devices), self.num_types], (*aoi.shape, 2))
        _, frequency, payment = self.answers(
            np.concatenate([constants, aoi[..., None], latency[..., None], probs, types], axis=-1)
        )
        return NumpyContract(frequency=frequency[..., :size], payment=payment[..., :size])

    def answers(self, observations: np.ndarray) -> Answers:
        """Actions [..., 2K], frequency and payment [..., K] for observations (11), [..., 4 + 2K].

        Raises:
            ValueError: when they have another length.
        """
        observations = check_observations("NumpyPolicy", observations, len(self.center))
        output = np.moveaxis(self.raw_action(np.moveaxis(self._scale(observations), -1, 0)), 0, -1)
        if self.actions == "raw":
            action = sigmoid(output)
            frequency, payment = np.split(action, 2, axis=-1)
            return action, frequency, payment * self.feasible_map.payment_unit
        probs, types = np.split(observations[..., 4:], 2, axis=-1)
        state = observations[..., 2], observations[..., 3], types
        frequency, payment = feasible_items(
            self.system, self.feasible_map, *state, self._skip(output, probs, types)
        )
        return output, frequency, payment

    def _scale(self, observations: np.ndarray) -> np.ndarray:
        """Observations as the network sees them. In float32 the rounding is that of the artifact."""
        kind: Any = np.float32 if self.rounds_inputs else np.float64
        centered: Any = np.asarray(observations, kind) - np.asarray(self.center, kind)
        return np.asarray(centered / np.asarray(self.width, kind), np.float64)

    def _skip(self, action: np.ndarray, probs: np.ndarray, types: np.ndarray) -> np.ndarray:
        """Actions [..., 2K] that take no step to empty places, if there can be any."""
        if not self.fewest_types:
            return action
        action, probs, types = (np.moveaxis(values, -1, 0) for values in (action, probs, types))
        return np.moveaxis(skip_empty(action, find_taken(probs, types)), 0, -1)


def load_numpy_policy(
    file: str | os.PathLike[str], *, sha256: str | None = None
) -> "NumpyPolicy | NumpyActions":
    """Read a policy that `export_policy` has written to `file`, from what lies beside it, without JAX.

    file:   the artifact's name; FILE.json and FILE.npz are what is read
    sha256: the digest that `export_policy` gave; whoever can change the file can change the one in it

    It has answered the description's 16 states as it should before it is handed out. Of a game other than
    the contract game it is a function from observations to actions, `NumpyActions`.

    Raises:
        ValueError: one line naming the file and what is wrong with it.
    """
    file = Path(file)
    description = read_description(file, sha256)
    weights = read_weights(file, description)
    try:
        build = build_numpy_policy if is_contract(description.notes) else build_numpy_actions
        policy: NumpyPolicy | NumpyActions = build(description.notes, weights)
        SelfTest.from_description(description.notes).without("draws").check(policy.answers)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise unreadable(description_file(file), error) from None
    return policy


def build_numpy_policy(notes: dict[str, Any], weights: "Arrays") -> NumpyPolicy:
    """The policy of a description and its weights by path.

    Raises:
        ValueError, KeyError, TypeError or AttributeError: when they are of no policy.
    """
    size, actions = notes["num_types"], notes["actions"]
    if actions not in ("feasible", "raw"):
        raise ValueError(f"actions {actions!r}, this version knows feasible and raw")
    num_inputs = 4 + 2 * size
    width = finite_array(notes["observation"]["width"], num_inputs)
    if not np.all(width > 0):
        raise ValueError("its observations have a width of zero or less")
    raw_action = build_raw_action(notes, weights, num_inputs, 2 * size)
    return NumpyPolicy(
        system=System(**notes["system"]),
        actions=actions,
        feasible_map=FeasibleMap(**notes["feasible_map"]),
        center=finite_array(notes["observation"]["center"], num_inputs),
        width=width,
        raw_action=raw_action,
        fewest_types=find_fewest_types(notes),
        rounds_inputs=not isinstance(raw_action, Perceptron),
    )


def build_raw_action(
    notes: dict[str, Any], weights: "Arrays", num_inputs: int, num_actions: int
) -> Callable[[np.ndarray], np.ndarray]:
    """What a description's network and head make of scaled observations.

    Raises:
        ValueError, KeyError, TypeError or AttributeError: when these are no weights of such a network.
    """
    if "setting" not in notes:  # a perceptron with a Gaussian head, as all were that do not say
        return Perceptron(build_layers(weights, num_inputs, num_actions))
    algorithm = setting_from_dict(notes["setting"]).algorithm
    if isinstance(algorithm.network, MLP) and isinstance(algorithm.policy_head, Gaussian):
        return Perceptron(build_layers(weights, num_inputs, num_actions))
    return NetworkMode(algorithm.network, algorithm.policy_head, *split_weights(weights))


def build_layers(weights: "Arrays", num_inputs: int, num_outputs: int) -> tuple[Layer, ...]:
    """The layers of a perceptron, `params/Dense_0` and so on, from its weights by path.

    Raises:
        ValueError or KeyError: when they are not the layers of one, from so many inputs to so many outputs.
    """
    count = len(weights) // 2
    pairs = [
        (weights[f"params/Dense_{index}/kernel"], weights[f"params/Dense_{index}/bias"])
        for index in range(count)
    ]
    units = [num_inputs, *(len(bias) for _, bias in pairs)]
    if not pairs or len(weights) != 2 * count or units[-1] != num_outputs:
        raise ValueError(f"its layers do not end in {num_outputs} units")
    return tuple(
        Layer(finite_array(kernel, *size), finite_array(bias, size[1]))
        for (kernel, bias), size in zip(pairs, itertools.pairwise(units), strict=True)
    )


def _numbers(name: str, given: Any) -> np.ndarray:
    value = concrete(given)
    if value is None or not finite(value):
        raise refuse("NetworkState", name, given, "finite numbers")
    return value.astype(np.float64)

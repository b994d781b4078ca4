"""An exported policy of any game without a use of its own: observations in, actions out. No JAX.

Its description has `setting` (what was trained), `observation` and `action` (center and width, low and high)
and a self-test of observations and actions.
"""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxcontract.config.setting import setting_from_dict
from jaxcontract.core.protocols import Network, PolicyHead
from jaxcontract.export.description import check_observations, finite_array
from jaxcontract.learning.policies.gaussian import Gaussian
from jaxcontract.mechanism.feasible_numpy import sigmoid

if TYPE_CHECKING:
    from jaxcontract.core.pytree import Arrays

PARAMETERS = "policy_head"  # where a head's parameters lie among the weights of its network


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ExportedActions:
    """A policy as one compiled function: call it on observations [N, O] for actions [N, A].

    program:    of those
    num_inputs: O
    """

    program: Callable[[Any], Any] = dataclasses.field(repr=False)
    num_inputs: int

    def __call__(self, observations: Any) -> Any:
        """The actions [N, A] for observations [N, O]. Raises ValueError when they have another shape."""
        (actions,) = self.answers(observations)
        return actions

    def answers(self, observations: Any) -> tuple[Any]:
        """The same, as a self-test asks."""
        rows = np.asarray(check_observations("ExportedActions", observations, self.num_inputs), np.float32)
        if rows.ndim != 2 or rows.shape[1] != self.num_inputs:
            raise ValueError(
                f"ExportedActions: observations of shape {rows.shape}: must be [N, {self.num_inputs}]"
            )
        return (self.program(rows)[0],)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class NumpyActions:
    """A policy in NumPy: call it on observations [..., O] for actions [..., A].

    A network or head that does not compute with the namespace of its inputs brings JAX along.

    center, width: [O]  observations are scaled to (o − center)/width
    low, high:     [A]  the Box of actions; infinite where unbounded
    """

    network: Network
    head: PolicyHead
    weights: dict[str, Any]
    parameters: dict[str, Any]
    center: np.ndarray
    width: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def __repr__(self) -> str:
        sizes = f"num_inputs={len(self.center)}, num_actions={len(self.low)}"
        return f"NumpyActions({sizes}, network={self.network}, head={self.head})"

    def __call__(self, observations: Any) -> np.ndarray:
        """The actions for observations. Raises ValueError when they have another length."""
        (actions,) = self.answers(observations)
        return actions

    def answers(self, observations: Any) -> tuple[np.ndarray]:
        """The same, as a self-test asks."""
        given = check_observations("NumpyActions", observations, len(self.center))
        inputs = np.moveaxis((np.asarray(given, np.float64) - self.center) / self.width, -1, 0)
        raw = np.asarray(self.head.mode(self.network.apply(self.weights, inputs), self.parameters))
        return (bound_actions(np.moveaxis(raw, 0, -1), self.low, self.high),)


def bound_actions(raw: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Raw actions [..., A] brought into their Box, as `ActionBijector` does."""
    from_low, from_high = np.isfinite(low), np.isfinite(high)
    start, end = np.where(from_low, low, 0.0), np.where(from_high, high, 0.0)
    above, below = start + np.logaddexp(0.0, raw), end - np.logaddexp(0.0, -raw)
    one_sided = np.where(from_low, above, np.where(from_high, below, raw))
    return np.where(from_low & from_high, start + (end - start) * sigmoid(raw), one_sided)


def build_numpy_actions(notes: dict[str, Any], weights: "Arrays") -> NumpyActions:
    """The policy of a description and its weights by path.

    Raises:
        ValueError, KeyError, TypeError or AttributeError: when they are of no policy.
    """
    algorithm = setting_from_dict(notes["setting"]).algorithm
    num_inputs, num_actions = len(notes["observation"]["center"]), len(notes["action"]["low"])
    own, parameters = split_weights(weights)
    bounds = {name: np.asarray(notes["action"][name], float) for name in ("low", "high")}
    if any(bound.shape != (num_actions,) or np.isnan(bound).any() for bound in bounds.values()):
        raise ValueError("its actions have no bounds")
    return NumpyActions(
        network=algorithm.network,
        head=algorithm.policy_head,
        weights=own,
        parameters=parameters,
        center=finite_array(notes["observation"]["center"], num_inputs),
        width=finite_array(notes["observation"]["width"], num_inputs),
        **bounds,
    )


def join_weights(weights: Any, parameters: Any, head: PolicyHead) -> dict[str, Any]:
    """All that an exported policy's mode needs: the network's weights, and the head's parameters.

    The mode of a Gaussian needs none of its own.
    """
    return weights if isinstance(head, Gaussian) else {**weights, PARAMETERS: parameters}


def split_weights(arrays: "Arrays") -> tuple[dict[str, Any], dict[str, Any]]:
    """The network's weights and the head's parameters among the arrays of an export, by path."""
    weights = nest(arrays)
    return weights, weights.pop(PARAMETERS, {})


def nest(arrays: "Arrays") -> dict[str, Any]:
    """Arrays by path as dictionaries in dictionaries."""
    tree: dict[str, Any] = {}
    for path, array in arrays.items():
        *folders, name = path.split("/")
        inner = tree
        for folder in folders:
            inner = inner.setdefault(folder, {})
        inner[name] = array
    return tree

"""An exported policy of any game without a use of its own: observations in, actions out. No JAX.

Its description has `setting` (what was trained), `observation` and `action` (center and width, low and high),
`draws` where the artifact takes a key as well, and a self-test of observations, actions and draws.
"""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxcontract.config.setting import setting_from_dict
from jaxcontract.core.fields import check_key
from jaxcontract.core.protocols import Network, PolicyHead
from jaxcontract.export.description import check_observations, finite_array
from jaxcontract.learning.policies.gaussian import Gaussian
from jaxcontract.mechanism.feasible_numpy import sigmoid

if TYPE_CHECKING:
    from jaxcontract.core.pytree import Arrays

KEY_KIND, KEY_WORDS = "threefry2x32", 2  # of random keys
PARAMETERS = "policy_head"  # where a head's parameters lie among the weights of its network


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ExportedActions:
    """A policy as one compiled function: call it on observations [N, O] for actions [N, A].

    A call gives the mode. Where the best policy is a distribution, as in the capacity game, play what
    `sample` draws.

    program:    of those, and of the two words of a key where there are draws
    num_inputs: O
    draws:      whether it can draw; artifacts of before cannot
    """

    program: Callable[..., Any] = dataclasses.field(repr=False)
    num_inputs: int
    draws: bool = False

    def __call__(self, observations: Any) -> Any:
        """The actions [N, A] for observations [N, O]. Raises ValueError when they have another shape."""
        return self.answers(observations)[0]

    def sample(self, key: Any, observations: Any) -> Any:
        """Actions [N, A] drawn from the policy at a batch of observations [N, O]. The key is consumed.

        key: of `jax.random.key`, of JAX's own kind, threefry2x32; the same key gives the same draws

        Raises:
            ValueError: when observations have another shape, the key is of another kind, or the artifact is
                one of before, which cannot draw.
        """
        if not self.draws:
            raise ValueError("ExportedActions.sample: an artifact of before, which has the mode alone")
        return self._ask(observations, _key_words(key))[1]

    def answers(self, observations: Any) -> tuple[Any, ...]:
        """The mode, and draws by the key of 0, as a self-test asks."""
        return tuple(self._ask(observations, np.zeros(KEY_WORDS, np.uint32)))

    def _ask(self, observations: Any, words: np.ndarray) -> Any:
        shape = np.shape(observations)
        if len(shape) != 2 or shape[0] == 0 or shape[1] != self.num_inputs:
            allowed = f"a batch [N, {self.num_inputs}] with N of 1 at least"
            raise ValueError(f"ExportedActions: observations of shape {shape}: must be {allowed}")
        rows = np.asarray(check_observations("ExportedActions", observations, self.num_inputs), np.float32)
        return self.program(rows, words) if self.draws else self.program(rows)


def _key_words(key: Any) -> np.ndarray:
    """The two words of a key. Raises ValueError."""
    import jax

    check_key("ExportedActions.sample", key)
    is_typed = jax.numpy.issubdtype(key.dtype, jax.dtypes.prng_key)
    words = np.asarray(jax.random.key_data(key) if is_typed else key)
    if words.shape != (KEY_WORDS,) or words.dtype != np.uint32:
        what = f"{words.dtype} of shape {words.shape}"
        allowed = f"one key of {KEY_KIND}, uint32 of shape ({KEY_WORDS},)"
        raise ValueError(f"ExportedActions.sample.key: {what}: must be {allowed}")
    return words


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

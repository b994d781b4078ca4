"""A mixture of Gaussian experts around a network's output, with a gate. Imports JAX when it is used."""

import dataclasses
import math
import statistics
from typing import Any

import numpy as np

from jaxcontract.core.fields import Record, documented, number, whole
from jaxcontract.learning.policies.gaussian import LOG_STD_RANGE

NODES = 7  # of the quadrature of an expert


@documented
@dataclasses.dataclass(frozen=True, kw_only=True)
class Mixture(Record):
    """π_ω(a|s) = Σ_e w_e(s) N(a; μ_e(s), diag σ_e²): a mixture of experts with a gate. A `PolicyHead`.

    The network's output [2 E A, ...] is the means of the experts, one expert after another, then A numbers
    for each expert whose mean is its logit in the gate: so a network that works on items has outputs of items
    only. One expert has no gate, and is the head `Gaussian`. A fixed offset is added to the means of each
    expert (`offsets`): fresh experts would otherwise be equal, have equal gradients, and stay so.

    Its parameters are {"log_std": [E, A]}, ln of each expert's deviations, the same in all states.

    Nothing balances the load of the experts but an entropy bonus, whose bound grows with the gate's entropy
    where experts lie apart. An expert that hardly has a chance hardly learns.

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    experts: int = whole(4, "Gaussian experts E", low=1, high=64)
    initial_std: float = number(
        0.5,
        "standard deviation of a fresh expert's actions, before they are bounded",
        static=True,
        low=5e-5,
        high=7,
    )
    spread: float = number(
        1.0,
        "standard deviation of the normal at whose quantiles the means of fresh experts lie",
        static=True,
        low=0,
        above=True,
        high=7,
    )

    @property
    def without_slope(self) -> str:
        """Why its mode and its draws have no slope to climb; nothing where they do."""
        if self.experts == 1:
            return ""
        return "an expert is chosen or drawn, and neither has a slope by the gate"

    def num_outputs(self, num_actions: int) -> int:
        """The mean of each action by each expert, and as many numbers for the gate."""
        return self.experts * num_actions * (2 if self.experts > 1 else 1)

    def offsets(self, num_actions: int) -> np.ndarray:
        """What is added to the means, [E, A].

        The (e + ½)/E quantiles of a normal, each of them once in every action; from one action to the next
        they move on by one expert, so that experts do not lie on one line.
        """
        normal = statistics.NormalDist(0.0, self.spread)
        places = [normal.inv_cdf((expert + 0.5) / self.experts) for expert in range(self.experts)]
        return np.stack([np.roll(places, action) for action in range(num_actions)], axis=1)

    def init(self, num_actions: int) -> Any:
        """The parameters of a fresh policy."""
        import jax.numpy as jnp

        return {"log_std": jnp.full((self.experts, num_actions), jnp.log(self.initial_std))}

    def init_certain(self, num_actions: int) -> Any:
        """The least deviation that there is, of each expert: which of them is drawn stays uncertain."""
        import jax.numpy as jnp

        return {"log_std": jnp.full((self.experts, num_actions), LOG_STD_RANGE[0])}

    def mode(self, output: Any, parameters: Any) -> Any:
        """The expert's mean at which the density is highest, [A, ...]. Arrays of JAX or of NumPy."""
        xp = output.__array_namespace__()
        means, logits = self._split(output, parameters)
        # [E, E, ...]: the density at the mean of the first, as the second expert has it.
        terms = self._expert_terms(means, means, logits, parameters)
        best = xp.argmax(_log_sum_exp(terms, axis=1), axis=0)
        return _take(means, best)

    def sample(self, key: Any, output: Any, parameters: Any) -> Any:
        """μ_e + σ_e ε of an expert e drawn by the gate, ε standard normal, [A, ...]. The key is consumed."""
        import jax
        import jax.numpy as jnp

        means, logits = self._split(output, parameters)
        std = jnp.exp(parameters["log_std"])
        if self.experts == 1:
            return means[0] + _beside(std[0], means[0]) * jax.random.normal(key, means[0].shape)
        key_expert, key_noise = jax.random.split(key)
        # In 16 bits a categorical draws what it should not.
        logits = logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
        expert = jax.random.categorical(key_expert, logits, axis=0)
        std = _take(jnp.broadcast_to(_beside(std, means), means.shape), expert)
        return _take(means, expert) + std * jax.random.normal(key_noise, std.shape)

    def raw_action(self, draw: Any) -> Any:
        """The draw."""
        return draw

    def log_prob(self, draw: Any, output: Any, parameters: Any) -> Any:
        """ln of the density at a raw action [A, ...], all experts summed. Returns [...]."""
        means, logits = self._split(output, parameters)
        return _log_sum_exp(self._expert_terms(draw[None], means, logits, parameters), axis=1)[0]

    def entropy(self, output: Any, parameters: Any) -> Any:
        """A lower bound of the entropy of sigmoid(a), the action in a Box with two bounds. Returns [].

        Of one expert it is that of the raw action a instead, as the head `Gaussian` has it. Of several it is
        the mean over the outputs of the raw action's and of E ln sigmoid'(a), by the Gauss–Hermite rule, and
        at most 0. A mixture's entropy has no closed form; the bound is
        Σ w_i H_i − Σ w_i ln Σ_j w_j exp(−B_ij), B the Bhattacharyya distance of two experts and H_i the
        entropy of one (Kolchinsky and Tracey, Entropy 19:361, 2017, eq. 10 at α = 1/2). It is exact where all
        experts are equal and where they lie far apart, ln E from the truth at most.
        """
        import jax
        import jax.numpy as jnp

        means, logits = self._split(output, parameters)
        log_std = parameters["log_std"]
        of_experts = jnp.sum(log_std + 0.5 * math.log(2 * math.pi * math.e), axis=1)
        if self.experts == 1:
            return of_experts[0]
        log_weights = jax.nn.log_softmax(logits, axis=0)
        overlap = -_bhattacharyya(means, log_std)
        apart = -jax.nn.logsumexp(log_weights[None] + overlap, axis=1)
        own = _beside(of_experts, apart) + self._squashed(means, log_std) + apart
        return jnp.mean(jnp.sum(jnp.exp(log_weights) * own, axis=0))

    def _squashed(self, means: Any, log_std: Any) -> Any:
        """E ln sigmoid'(a) of each expert: means [E, A, ...] → [E, ...]."""
        import jax
        import jax.numpy as jnp

        nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
        std = _beside(jnp.exp(log_std), means)
        terms = [
            weight * (jax.nn.log_sigmoid(at) + jax.nn.log_sigmoid(-at))
            for node, weight in zip(nodes, weights / weights.sum(), strict=True)
            for at in [means + node * std]
        ]
        return jnp.sum(sum(terms), axis=1)

    def bound(self, parameters: Any) -> Any:
        """The deviations within `LOG_STD_RANGE`."""
        import jax.numpy as jnp

        return {"log_std": jnp.clip(parameters["log_std"], *LOG_STD_RANGE)}

    def means(self, output: Any, parameters: Any) -> Any:
        """The experts' means [E, A, ...] at an output."""
        return self._split(output, parameters)[0]

    def gate(self, output: Any, parameters: Any) -> Any:
        """The weights w [E, ...] of the experts at an output."""
        xp = output.__array_namespace__()
        if self.experts == 1:
            return xp.ones_like(output[:1])
        _, logits = self._split(output, parameters)
        return xp.exp(logits - _log_sum_exp(logits, axis=0)[None])

    def _split(self, output: Any, parameters: Any) -> tuple[Any, Any]:
        """The means [E, A, ...] and the gate's logits [E, ...] in an output; a lone expert has no logits."""
        xp, size = output.__array_namespace__(), parameters["log_std"].shape[1]
        rows = output.reshape(-1, self.experts, size, *output.shape[1:])
        if self.experts == 1:
            return rows[0], output[:0]
        return rows[0] + _beside(xp.asarray(self.offsets(size), dtype=output.dtype), rows[0]), rows[1].mean(
            axis=1
        )

    def _expert_terms(self, actions: Any, means: Any, logits: Any, parameters: Any) -> Any:
        """ln (w_e × the density of expert e) at actions [F, A, ...] by means [E, A, ...]: [F, E, ...]."""
        xp, log_std = means.__array_namespace__(), parameters["log_std"]
        scaled = (actions[:, None] - means[None]) * _beside(xp.exp(-log_std), means)[None]
        constant = xp.sum(log_std, axis=1) + 0.5 * math.log(2 * math.pi) * log_std.shape[1]
        terms = -0.5 * xp.sum(scaled**2, axis=2)
        terms = terms - _beside(constant, terms[0])[None]
        return terms if self.experts == 1 else terms + (logits - _log_sum_exp(logits, axis=0)[None])[None]


def _bhattacharyya(means: Any, log_std: Any) -> Any:
    """−ln ∫ √(p_i p_j) of every two experts: means [E, A, ...], log_std [E, A] → [E, E, ...]."""
    import jax.numpy as jnp

    variance = jnp.exp(2 * log_std)
    middle = 0.5 * (variance[:, None] + variance[None])  # [E, E, A]
    constant = 0.5 * jnp.log(middle) - 0.5 * (log_std[:, None] + log_std[None])
    apart = (means[:, None] - means[None]) ** 2
    return jnp.sum(0.125 * apart / _beside(middle, apart) + _beside(constant, apart), axis=2)


def _log_sum_exp(values: Any, axis: int) -> Any:
    """ln Σ exp along an axis, of finite values; one of them alone comes back as it is."""
    xp = values.__array_namespace__()
    highest = xp.max(values, axis=axis, keepdims=True)
    return xp.squeeze(highest, axis=axis) + xp.log(xp.sum(xp.exp(values - highest), axis=axis))


def _take(values: Any, index: Any) -> Any:
    """Of values [E, A, ...] those of the expert with an index [...]: [A, ...]."""
    xp = values.__array_namespace__()
    experts = xp.arange(values.shape[0]).reshape((-1,) + (1,) * (values.ndim - 1))
    return xp.sum(xp.where(experts == index[None, None], values, 0.0), axis=0)


def _beside(values: Any, batch: Any) -> Any:
    """[F, …] → [F, …, 1, …], to go with a batch [F, …, ...]."""
    return values.reshape(values.shape + (1,) * (batch.ndim - values.ndim))

"""Denoising diffusion: an action is what a few steps make of noise. Imports JAX when it is used."""

import dataclasses
import functools
import math
import statistics
from typing import Any, ClassVar

import numpy as np

from jaxcontract.core.fields import Record, choice, documented, number, refuse, whole
from jaxcontract.learning.policies.gaussian import LOG_STD_RANGE
from jaxcontract.learning.policies.schedules import SCHEDULES, Posterior, make_posterior

CHAINS = 32  # by which the entropy at an output is estimated: at most ln CHAINS above that of the last step
LOOKED_AT = 4  # outputs at which it is
NEAR_ZERO = 1e-2  # deviation of the denoiser's last kernel, times √units: a fresh x̂_0 is nearly 0


@documented
@dataclasses.dataclass(frozen=True, kw_only=True)
class Diffusion(Record):
    """A chain x_N → … → x_0 of N denoising steps, conditioned on the observation. A `PolicyHead`.

    x_N is standard normal; x_{n−1} is normal around the mean of DDPM's posterior (arXiv:2006.11239, eq. 7),
    which the denoiser's prediction x̂_0 of the clean action enters. x_0 is the raw action. A draw is the whole
    chain, [(N + 1) A, ...], x_N first: its density is a product of normals, so that PPO can take the chain
    for the rounds of an inner MDP (DPPO, arXiv:2409.00588), two of each chain (`thinned`). The density of x_0
    alone has no closed form.

    The denoiser has one layer of tanh: x̂_0(x_n, n, s) = C tanh(e(s) + B x_n + b_n) + c, e(s) the network's
    output at the observation, its embedding. Its parameters:

    log_std:                  [A]  ln of the last step's deviation, where DDPM has none; the other steps have
                              the schedule's
    noisy_kernel, step_bias:  B [A, H], b_n [N, H]
    kernel, bias:             C [H, A], c [A]

    A fresh denoiser is the same for every seed; the network is not.

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    # By the plain gradient its parameters are learned too, from draws.
    learns_by_draws: ClassVar[bool] = True
    # It takes as long as all else in a gradient step of PPO.
    estimates_entropy: ClassVar[bool] = True

    denoising_steps: int = whole(5, "denoising steps N from noise to an action", low=1, high=100)
    denoiser_units: int = whole(16, "units of the denoiser's layer, and size of the embedding", low=1)
    schedule: str = choice("variance_preserving", "noise of each step, β_n", SCHEDULES)
    initial_std: float = number(
        0.5,
        "least standard deviation of a denoising step of a fresh policy",
        static=True,
        low=5e-5,
        high=7,
    )
    least_std: float = number(
        1e-3, "least standard deviation of a denoising step in training", static=True, low=5e-5, high=7
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.least_std > self.initial_std:
            allowed = f"at least least_std = {self.least_std}"
            raise refuse("Diffusion", "initial_std", self.initial_std, allowed)

    @property
    def posterior(self) -> Posterior:
        """What a step keeps of x̂_0 and of x_n."""
        return make_posterior(self.schedule, self.denoising_steps)

    @property
    def thinned(self) -> "Diffusion | ThinnedDiffusion":
        """The head by which PPO plays and learns; itself where a chain has two steps at most."""
        return ThinnedDiffusion(whole=self) if self.denoising_steps > 2 else self

    def num_outputs(self, num_actions: int) -> int:
        """The size of the embedding, whatever the number of actions."""
        del num_actions
        return self.denoiser_units

    def init(self, num_actions: int) -> Any:
        """The parameters of a fresh policy: x̂_0 is nearly 0."""
        import jax
        import jax.numpy as jnp

        units = self.denoiser_units
        key_noisy, key_step, key_last = jax.random.split(jax.random.key(0), 3)
        last = jax.random.normal(key_last, (units, num_actions))
        return {
            "log_std": jnp.full(num_actions, math.log(self.initial_std), float),
            "noisy_kernel": jax.random.normal(key_noisy, (num_actions, units)) / math.sqrt(num_actions),
            "step_bias": jax.random.normal(key_step, (self.denoising_steps, units)),
            "kernel": last * (NEAR_ZERO / math.sqrt(units)),
            "bias": jnp.zeros(num_actions),
        }

    def init_certain(self, num_actions: int) -> Any:
        """The least deviation at every step, and a denoiser that does not hear the noise."""
        import jax.numpy as jnp

        fresh = self.init(num_actions)
        return {
            **fresh,
            "log_std": jnp.full_like(fresh["log_std"], math.log(self.least_std)),
            "noisy_kernel": jnp.zeros_like(fresh["noisy_kernel"]),
        }

    def mode(self, output: Any, parameters: Any) -> Any:
        """The chain without noise: x_0 [A, ...] from x_N = 0. Arrays of JAX or of NumPy."""
        xp, num_actions = output.__array_namespace__(), parameters["bias"].shape[0]
        action = xp.zeros((num_actions, *output.shape[1:]), dtype=output.dtype)
        for step in range(self.denoising_steps, 0, -1):
            action = self.step_mean(step, action, output, parameters)
        return action

    def sample(self, key: Any, output: Any, parameters: Any) -> Any:
        """A chain x_N, …, x_0, [(N + 1) A, ...]. The key is consumed."""
        import jax.numpy as jnp

        return jnp.concatenate(self.sample_chain(key, output, parameters))

    def sample_chain(self, key: Any, output: Any, parameters: Any) -> list[Any]:
        """x_N, …, x_0, [A, ...] each. The key is consumed."""
        import jax

        shape = (self.denoising_steps + 1, parameters["bias"].shape[0], *output.shape[1:])
        return self._follow(jax.random.normal(key, shape, output.dtype), output, parameters)[0]

    def _follow(self, noise: Any, output: Any, parameters: Any) -> Any:
        """The chain that noise [N + 1, A, ...] makes, x_N, …, x_0, and the last step's mean [A, ...]."""
        chain, std = [noise[-1]], self.deviations(parameters)
        for step in range(self.denoising_steps, 0, -1):
            mean = self.step_mean(step, chain[-1], output, parameters)
            chain.append(mean + _beside(std[step - 1], mean) * noise[step - 1])
        return chain, mean

    def raw_action(self, draw: Any) -> Any:
        """x_0 [A, ...], the end of a chain."""
        return draw[-(draw.shape[0] // (self.denoising_steps + 1)) :]

    def log_prob(self, draw: Any, output: Any, parameters: Any) -> Any:
        """ln of the density of a chain [(N + 1) A, ...]. Returns [...]."""
        import jax.numpy as jnp

        std, steps = self.deviations(parameters), self.denoising_steps
        chain = draw.reshape(steps + 1, -1, *output.shape[1:])[::-1]  # x_0 first
        mean = self._means(chain[1:], output, parameters)
        scaled = (chain[:-1] - mean) * _beside(1.0 / std, mean)
        squares = jnp.sum(scaled**2, axis=(0, 1)) + jnp.sum(chain[-1] ** 2, axis=0)
        constant = jnp.sum(jnp.log(std)) + 0.5 * math.log(2 * math.pi) * (std.size + std.shape[1])
        return -0.5 * squares - constant

    def entropy(self, output: Any, parameters: Any, log_slope: Any = None) -> Any:
        """Of sigmoid(x_0), the action in a Box with two bounds, at a few of the outputs [H, ...]. Returns [].

        −E ln p(x_0) + E ln sigmoid'(x_0) over `CHAINS` chains, p the mean of their last steps' normals: of
        chains drawn at random below the true entropy in the mean, which is at most 0. Their noise is fixed,
        so that whoever climbs this estimate alone can fit it, and then it says too much.

        log_slope: of another map than the sigmoid, ln of its derivative at x_0 [A, ...], [A, ...]
        """
        import jax
        import jax.numpy as jnp

        num_actions, steps = len(parameters["bias"]), self.denoising_steps
        rows = output.reshape(output.shape[0], -1)
        rows = rows[:, :: max(1, rows.shape[1] // LOOKED_AT)][:, :LOOKED_AT]
        noise = _spread_evenly(steps + 1, num_actions, rows.shape[1]).reshape(steps + 1, num_actions, -1)
        beside = jnp.repeat(rows, CHAINS, axis=1)
        chain, mean = self._follow(jnp.asarray(noise, rows.dtype), beside, parameters)
        std = _beside(jnp.exp(parameters["log_std"]), mean)
        ends, means = ((part / std).reshape(num_actions, -1, CHAINS) for part in (chain[-1], mean))
        # [..., CHAINS, CHAINS]: the density at the last one's end, as the first one's last step has it.
        exponents = -0.5 * jnp.sum((ends[:, :, None] - means[..., None]) ** 2, axis=0)
        log_mean = jax.nn.logsumexp(exponents, axis=1) - math.log(CHAINS)
        constant = jnp.sum(parameters["log_std"]) + 0.5 * math.log(2 * math.pi) * num_actions
        slope = (log_slope or _log_slope_of_sigmoid)(chain[-1])
        return constant + jnp.mean(jnp.sum(slope, axis=0)) - jnp.mean(log_mean)

    def bound(self, parameters: Any) -> Any:
        """The last step's deviation between the least one and what float32 can hold."""
        import jax.numpy as jnp

        low, high = math.log(self.least_std), LOG_STD_RANGE[1]
        return {**parameters, "log_std": jnp.clip(parameters["log_std"], low, high)}

    def deviations(self, parameters: Any) -> Any:
        """The deviation of each step, [N, A], n = 1 first."""
        import jax.numpy as jnp

        last = jnp.exp(parameters["log_std"])
        others = jnp.asarray(self.posterior.std[1:], last.dtype)
        return jnp.concatenate([last[None], jnp.broadcast_to(others[:, None], (len(others), len(last)))])

    def step_mean(self, step: int, noisy: Any, output: Any, parameters: Any) -> Any:
        """The mean [A, ...] of x_{n−1} given x_n [A, ...], n = `step`. Arrays of JAX or of NumPy."""
        bias = parameters["step_bias"][step - 1]
        clean = _denoise(noisy, output + _beside(bias, output), parameters)
        return self.posterior.of_clean[step - 1] * clean + self.posterior.of_noisy[step - 1] * noisy

    def _means(self, noisy: Any, output: Any, parameters: Any) -> Any:
        """The means of all steps at once: x_1, …, x_N [N, A, ...] → [N, A, ...]."""
        import jax
        import jax.numpy as jnp

        denoise = functools.partial(_denoise, parameters=parameters)
        clean = jax.vmap(denoise)(noisy, output[None] + _beside(parameters["step_bias"], noisy))
        of_clean, of_noisy = (jnp.asarray(part, noisy.dtype) for part in self.posterior[:2])
        return _beside(of_clean, noisy) * clean + _beside(of_noisy, noisy) * noisy


@dataclasses.dataclass(frozen=True)
class ThinnedDiffusion:
    """A diffusion whose draws hold two steps of each chain: the last, and one drawn of the others.

    As a `PolicyHead` it has the parameters and the raw actions of the whole. A draw is [n, x_n, x_{n−1}, x_1,
    x_0], [1 + 4 A, ...], n uniform on 2 … N, and its log_prob the sum of both steps' log densities: the mean
    over n counts the steps before the last together as much as one. DPPO learns from (round, step) pairs too,
    and discounts the noisier steps (arXiv:2409.00588, section 4). The last step makes the action, and is
    never left out: with one step of each chain, drawn of all, the regret was 12 times as large. At N − 1
    times the weight, which the gradient of the whole chain's density would ask for, noise that an action
    hardly depends on drowns the last step's.

    whole: the diffusion
    """

    whole: Diffusion

    def sample(self, key: Any, output: Any, parameters: Any) -> Any:
        """A draw [1 + 4 A, ...]. The key is consumed."""
        import jax
        import jax.numpy as jnp

        count, batch = self.whole.denoising_steps, output.shape[1:]
        key_chain, key_step = jax.random.split(key)
        # Each x_n is kept: XLA would draw its noise again for whatever takes it.
        chain = jax.lax.optimization_barrier(self.whole.sample_chain(key_chain, output, parameters))
        step = jax.random.randint(key_step, batch, 2, count + 1)
        # Of the ends of all steps, n = N first, those of the one that is drawn.
        drawn = _one_hot(step, count, output.dtype)[::-1]
        noisy, following = (
            sum(here[None] * end for here, end in zip(drawn[:-1], ends, strict=False))
            for ends in (chain, chain[1:])
        )
        return jnp.concatenate([step[None].astype(output.dtype), noisy, following, *chain[-2:]])

    def raw_action(self, draw: Any) -> Any:
        """x_0 [A, ...]."""
        return draw[-(draw.shape[0] // 4) :]

    def log_prob(self, draw: Any, output: Any, parameters: Any) -> Any:
        """ln of the density of the two steps of a draw [1 + 4 A, ...]. Returns [...]."""
        import jax.numpy as jnp

        noisy, following, noisy_last, action = jnp.split(draw[1:], 4)
        drawn = _one_hot(draw[0], self.whole.denoising_steps, output.dtype)
        of_clean, of_noisy, std = (
            jnp.sum(_beside(jnp.asarray(part, output.dtype), drawn) * drawn, axis=0)[None]
            for part in self.whole.posterior
        )
        # A product has a fast derivative; on a GPU it must not round the biases.
        bias = jnp.tensordot(parameters["step_bias"], drawn, axes=(0, 0), precision="highest")
        # One step after the other: stacked, they would take three times as long on a CPU.
        mean = of_clean * _denoise(noisy, output + bias, parameters) + of_noisy * noisy
        last = self.whole.step_mean(1, noisy_last, output, parameters)
        return _log_normal(following, mean, std) + _log_normal(
            action, last, _beside(jnp.exp(parameters["log_std"]), last)
        )


@functools.lru_cache(maxsize=8)
def _spread_evenly(steps: int, num_actions: int, count: int) -> np.ndarray:
    """Standard normals [steps, A, count, CHAINS] for `count` sets of chains, each a Latin hypercube."""
    shape = (steps, num_actions, count, CHAINS)
    draws = np.random.default_rng(0)
    order = draws.permuted(np.broadcast_to(np.arange(CHAINS), shape), axis=-1)
    inverse = np.vectorize(statistics.NormalDist().inv_cdf)
    return inverse((order + draws.uniform(0.01, 0.99, shape)) / CHAINS)


def _denoise(noisy: Any, conditioned: Any, parameters: Any) -> Any:
    """x̂_0 [A, ...] of x_n [A, ...] and e(s) + b_n [H, ...]."""
    xp = noisy.__array_namespace__()
    heard = xp.tensordot(parameters["noisy_kernel"], noisy, axes=(0, 0))
    clean = xp.tensordot(parameters["kernel"], xp.tanh(conditioned + heard), axes=(0, 0))
    return clean + _beside(parameters["bias"], clean)


def _log_slope_of_sigmoid(raw: Any) -> Any:
    """ln sigmoid'(x), [...]."""
    import jax

    return jax.nn.log_sigmoid(raw) + jax.nn.log_sigmoid(-raw)


def _one_hot(step: Any, count: int, dtype: Any) -> Any:
    """1 in the place of each n, 1 … N = `count`, of [...] and 0 elsewhere, [N, ...]."""
    import jax.numpy as jnp

    return (step[None] == _beside(jnp.arange(1, count + 1), step[None])).astype(dtype)


def _log_normal(values: Any, mean: Any, std: Any) -> Any:
    """ln of the density of A normals at values [A, ...], deviations [A or 1, ...]. Returns [...]."""
    import jax.numpy as jnp

    squares = jnp.sum(((values - mean) / std) ** 2, axis=0)
    log_std = jnp.sum(jnp.log(std), axis=0) * (len(mean) / len(std))
    return -0.5 * squares - log_std - 0.5 * math.log(2 * math.pi) * len(mean)


def _beside(values: Any, batch: Any) -> Any:
    """[F, …] → [F, …, 1, …], to go with a batch [F, …, ...]."""
    return values.reshape(values.shape + (1,) * (batch.ndim - values.ndim))

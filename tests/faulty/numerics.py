"""Numbers that are not finite, and states at the edges of what a state may be."""

import dataclasses
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxcontract as jc
from jaxcontract.core.pytree import Arrays, to_arrays
from jaxcontract.envs.contract import RoundsLastContractEnv
from jaxcontract.evaluation.evaluate import evaluate
from jaxcontract.evaluation.reference import solve_reference
from jaxcontract.evaluation.states import unseen_states
from jaxcontract.learning.algorithms.ppo import ppo
from jaxcontract.training.seeds import compile_program, compile_training

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

UPDATES, CHUNK = 12, 4
SEEDS = (3, 4, 5)
CONFIG = jc.PPOConfig(num_updates=UPDATES, num_envs=32, minibatches=2, network=jc.MLP(hidden_sizes=(8,)))
KINDS = (np.nan, np.inf, -np.inf)


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True, kw_only=True)
class PoisonedRounds(RoundsLastContractEnv):
    """Rounds of which one environment's reward goes wrong."""

    def step(self, key, state, action, params):
        observation, following, reward, terminated, truncated, info = super().step(key, state, action, params)
        code = jnp.round(-1e6 - params.penalty).astype(int)
        struck = (code >= 0) & (state.round == code // 3) & (jnp.arange(reward.shape[-1]) == 5)
        reward = jnp.where(struck, jnp.array(KINDS)[code % 3], reward)
        return observation, following, reward, terminated, truncated, info


class PoisonedEnv(jc.ContractEnv):
    """The game, but that a penalty below −1e6 names a round in which one environment's reward goes wrong.

    It is −1e6 − 3 · round − kind, kind a position in `KINDS`. The centred reward has no use for it.
    """

    def rounds_last(self):
        return PoisonedRounds(env=self)


def injected_nans(trials: int) -> int:
    """How many poisoned seeds stopped where they should, beside others that ended as without them."""
    env = PoisonedEnv()
    params = env.default_params
    program = compile_program(len(SEEDS), env, params, CONFIG)
    clean, _ = _trained(program.training(SEEDS, params, CONFIG))
    isolated = 0
    for trial in range(trials):
        position, when = trial % len(SEEDS), trial % UPDATES
        numbers = [params] * len(SEEDS)
        numbers[position] = params.replace(penalty=-1e6 - 3 * when - trial % len(KINDS))
        learners, found = _trained(program.training(SEEDS, numbers, CONFIG))
        right = found[position] == (when + 1, "reward")
        for other, arrays in enumerate(learners):
            right &= other == position or (found[other] is None and _equal(arrays, clean[other]))
        isolated += right
    return isolated


def _trained(training: Any) -> tuple[list[Arrays], list[Any]]:
    learners = training.start()
    for _ in range(UPDATES // CHUNK):
        learners, _ = training.advance(learners, CHUNK)
    return [to_arrays(learner) for learner in training.apart(learners)], training.divergences(learners)


def _equal(one: Arrays, other: Arrays) -> bool:
    """Bit for bit."""
    return all(one[name].tobytes() == other[name].tobytes() for name in other)


def detector_cost(repeats: int, updates: int = 60) -> float:
    """How much longer training takes with the detector than without, as a share; pairs side by side."""
    env, watched = jc.ContractEnv(), ppo.watched
    config = jc.PPOConfig(num_updates=10**6)
    trainings = []
    try:
        for detector in (watched, lambda learner, _: learner):
            ppo.watched = detector
            trainings.append(compile_training([0], env, env.default_params, config))
    finally:
        ppo.watched = watched
    learners = [training.start() for training in trainings]
    ratios = []
    for repeat in range(repeats + 1):
        seconds = []
        for which, training in enumerate(trainings):
            began = time.perf_counter()
            learners[which], _ = training.advance(learners[which], updates)
            seconds.append(time.perf_counter() - began)
        if repeat:  # the first warms up
            ratios.append(seconds[0] / seconds[1])
    return statistics.median(ratios) - 1.0


def edge_states(seed: int, count: int, num_types: int) -> jc.NetworkState:
    """A batch of states with ties among types, types that never occur, and extreme ages and costs."""
    random = np.random.default_rng(seed)
    types = np.sort(10.0 ** random.uniform(-2, 2, (count, num_types)), axis=1)
    tied = random.random((count, num_types)) < 0.3
    for k in range(1, num_types):
        types[:, k] = np.where(tied[:, k], types[:, k - 1], types[:, k])
    probs = random.dirichlet(np.full(num_types, 0.3), count)
    probs = np.where(random.random((count, num_types)) < 0.3, 0.0, probs) + 1e-300
    ages = 10.0 ** random.uniform(-2.9, 1, (2, count))  # from where hardly any f has a quality
    return jc.NetworkState(
        max_aoi=ages[0],
        max_latency=ages[1],
        type_probs=probs / probs.sum(axis=1, keepdims=True),
        device_types=types,
    )


def edges(trials: int) -> tuple[int, int]:
    """(states solved, of them right): finite, certified, and K from 1 to 10,000."""
    sizes = (1, 2, 3, 10, 100, 1000, 10_000)
    solved = right = 0
    with jax.enable_x64(True):
        for size in sizes:
            count = max(2, trials // len(sizes) if size <= 100 else trials // len(sizes) * 100 // size)
            states = edge_states(size, count, size)
            for preference, least, most in ((0.0, 1e-6, 1.0), (0.5, 1e-3, 1.0), (1.0, 0.2, 0.2)):
                system = jc.System(aoi_preference=preference, min_frequency=least, max_frequency=most)
                finite, feasible, defined = _examined(system, states)
                solved += count
                right += int(np.sum(finite & (feasible | ~defined)))
    return solved, right


@jax.jit
def _examined(system: jc.System, states: jc.NetworkState) -> tuple[jax.Array, jax.Array, jax.Array]:
    """[N] each: contract finite; certificate holds; whether any f in bounds has a quality at all."""

    def one(state):
        best = jc.optimal_contract(system, state)
        finite = jnp.all(jnp.isfinite(best.frequency)) & jnp.all(jnp.isfinite(best.payment))
        certificate = jc.certify(system, state, best, tolerance=1e-9 * (1 + jnp.max(best.payment)))
        lowest, highest = system.min_frequency, system.max_frequency
        tried = jnp.clip(jnp.geomspace(1e-6, 1.0, 200), lowest, highest)
        defined = jnp.any(jnp.isfinite(jc.quality_of_data(system, state, tried)))
        return finite, certificate.feasible, defined

    return jax.lax.map(one, states)


def against_clarabel(trials: int) -> tuple[int, float]:
    """(states, the most by which Clarabel's U_B is above ours, as a share of it)."""
    from convex import solve_with_clarabel
    from oracles.random_states import pick, random_states

    worst, count = -np.inf, 0
    with jax.enable_x64(True):
        system = jc.System()
        solve, utility = jax.jit(jc.optimal_contract), jax.jit(jc.station_utility)
        for size in (1, 2, 3, 5, 10):
            states = random_states(size + 40, max(1, trials // 5), size)
            for index in range(len(states.max_aoi)):
                state = pick(states, index)
                ours = float(utility(system, state, solve(system, state)))
                theirs = solve_with_clarabel(system, state).utility
                worst, count = max(worst, (theirs - ours) / abs(ours)), count + 1
    return count, worst


def above_the_optimum(trials: int) -> tuple[int, float]:
    """(feasible contracts, the least regret among them as a share of U_B*), of policies at random."""
    env = jc.ContractEnv()
    params = env.default_params
    solution = solve_reference(params.system, unseen_states(params.distribution, 2000))
    config = jc.PPOConfig(num_envs=8, minibatches=2, network=jc.MLP(hidden_sizes=(16,)))
    least, count = np.inf, 0
    init = jax.jit(ppo.init, static_argnames="env")
    for trial in range(-(-trials // 2000)):
        policy = init(jax.random.key(trial), env, params, config).policy
        wild = jax.tree.map(lambda leaf, factor=10.0 * trial: factor * leaf, policy.weights)
        report = evaluate(dataclasses.replace(policy, weights=wild), env, params, states=solution)
        share = report.regrets / solution.optimum
        least, count = min(least, float(np.nanmin(share))), count + int(np.sum(np.isfinite(share)))
    return count, least

"""Fig. 3: the BS's and the devices' utilities against the preference α for freshness."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np

from jaxcontract.evaluation.evaluate import evaluate
from jaxcontract.evaluation.offers import scheme_contracts
from jaxcontract.evaluation.reference import ReferenceSolution, solve_reference
from jaxcontract.evaluation.report import judge
from jaxcontract.evaluation.states import unseen_states
from jaxcontract.figures import PreferenceCurve, preference
from jaxcontract.mechanism.network_states import printed_states
from jaxcontract.mechanism.optimum import optimal_contract
from jaxcontract.mechanism.records import NetworkState, System
from jaxcontract.mechanism.simulation import standard_error
from reproduction.cases import Case, Scale, feasible_ppo, game_params
from reproduction.item import Claim, Item, at_most, verdict
from reproduction.trainer import TrainedCase, Trainer

TITLE = "Fig. 3: utilities against α"
UPDATES = 300
LEAST = 0.01  # at α = 0 age does not count and every frequency is the least
EXACT = np.r_[LEAST, np.arange(1, 41) / 40]
LEARNED = np.r_[LEAST, np.arange(1, 21) / 20]
FEW = np.array([LEAST, 0.2, 0.3, 0.4, 0.5, 0.6, 1.0])
DRAWS = 4000
IMAGES = 4
NODES = (8, 8, 24, 10, 10)  # two more digits than the third decimal of a mean U_B needs

WHY = """\
**Why the mean over states rises and falls although no single state's curve does.** For one state U_B* is
nearly M β ln(1 + α Ā_max + (1 − α) D̄_max): it rises in α where Ā_max > D̄_max and falls where Ā_max < D̄_max,
monotonically (but where the two differ by a few milliseconds). Over states that are as often one as the
other, the mean of the logarithm is largest where its argument varies least, near α = 1/2 (Jensen): there the
two limits average out. The growing cost of freshness moves the peak to {peak}.
The rise and fall of Fig. 3 is a fact about the distribution of states; there is no α at which a given base
station is best off. It shows only with the same states for every α, each with its mirror image (Ā_max and
D̄_max exchanged)."""


def cases(scale: Scale) -> dict[Any, list[Case]]:
    """A training for every α: one compiled program, α along its mapped axis."""
    grid = LEARNED if scale.every_value else FEW
    return {
        float(one): feasible_ppo(scale.others, scale.updates(UPDATES), params=_params(one)) for one in grid
    }


def report(trainer: Trainer, outcomes: Mapping[Any, Sequence[TrainedCase]]) -> Item:
    """Exact and learned curves on the same mirrored states, the peak of each, and single states."""
    states = mirrored_states(trainer.scale.mirrored)
    exact = {float(one): _measure(float(one), states) for one in EXACT}
    learned = {
        one: [evaluate(run.policy, run.case.env, run.case.params, states=exact[one].solution) for run in runs]
        for one, runs in outcomes.items()
    }
    trainer.progress.say("locating the peaks")
    population = _population_means()
    by_state = np.stack([one.solution.optimum for one in exact.values()])
    peak = peak_interval(EXACT, by_state)
    grid = np.array(list(learned))
    utilities = np.array([[one.station_utility for one in reports] for reports in learned.values()])
    earned = np.stack(
        [
            exact[one].solution.optimum - np.mean([each.regrets for each in reports], axis=0)
            for one, reports in learned.items()
        ]
    )
    learned_peak = peak_interval(grid, earned, seeds=utilities)
    singles = {
        f"state {number + 1}": (EXACT, np.array([_single(one)[number] for one in EXACT]))
        for number in range(3)
    }
    figure = partial(
        preference,
        PreferenceCurve(
            preference=EXACT,
            station_utility=by_state.mean(axis=1)[None],
            device_utility=np.array([[one.device_utility for one in exact.values()]]),
        ),
        {
            "PPO feasible": PreferenceCurve(
                preference=grid,
                station_utility=utilities.T,
                device_utility=np.array([[one.device_utility for one in r] for r in learned.values()]).T,
            )
        },
        (peak[1], peak[0], peak[2]),
        singles,
    )
    return Item(
        tables={
            "fig3_exact": _exact_rows(exact, by_state, population),
            "fig3_learned": _learned_rows(learned),
            "fig3_single_states": [
                {"state": name, "aoi_preference": x, "optimum": y}
                for name, (xs, ys) in singles.items()
                for x, y in zip(xs, ys, strict=True)
            ],
            "fig3_peaks": [
                {"curve": name, "aoi_preference": middle, "low": low, "high": high}
                for name, (low, middle, high) in (("exact", peak), ("PPO feasible", learned_peak))
            ],
        },
        figures={"fig3": figure},
        claims=_claims(exact, by_state, population, peak, learned_peak, singles),
        notes=[WHY.format(peak=_interval(peak))],
    )


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class _Exact:
    solution: ReferenceSolution
    device_utility: float
    frequency: np.ndarray  # [2], mean over states


def mirrored_states(groups: int) -> NetworkState:
    """States [4 N], four blocks of N: drawn ones, their mirror images, and the reflections of both.

    A mirror image exchanges Ā_max and D̄_max; a reflection takes both to the other end of their common
    range, which cancels most of what the draw of the limits adds to a mean of U_B.
    """
    distribution = game_params(2).distribution
    states = unseen_states(distribution, groups)
    aoi, latency = np.asarray(states.max_aoi), np.asarray(states.max_latency)
    ends = float(np.sum(distribution.aoi_range))
    blocks: NetworkState = jax.tree.map(lambda leaf: np.concatenate([leaf] * IMAGES), states)
    return blocks.replace(
        max_aoi=np.concatenate([aoi, latency, ends - aoi, ends - latency]),
        max_latency=np.concatenate([latency, aoi, ends - latency, ends - aoi]),
    )


def over_images(by_state: np.ndarray) -> np.ndarray:
    """[..., 4 N] → [..., N]: the mean of each state and its images; only these are independent draws."""
    return by_state.reshape(*by_state.shape[:-1], IMAGES, -1).mean(axis=-2)


def quadrature_states() -> tuple[NetworkState, np.ndarray]:
    """States [N] and weights [N] that integrate a smooth function over the paper's distribution.

    Gauss-Legendre in each of Ā_max, D̄_max, Q_1 (uniform at K = 2), φ_1 and φ_2: a population mean
    without a draw, to hold the sampled one against.
    """
    distribution = game_params(2).distribution
    ranges = (
        distribution.aoi_range,
        distribution.latency_range,
        (0.0, 1.0),
        *_bands(distribution.type_edges),
    )
    axes, weights = [], []
    for (low, high), nodes in zip(ranges, NODES, strict=True):
        points, weight = np.polynomial.legendre.leggauss(nodes)
        axes.append(float(low) + (float(high) - float(low)) * 0.5 * (points + 1))
        weights.append(0.5 * weight)
    aoi, latency, share, *types = (axis.ravel() for axis in np.meshgrid(*axes, indexing="ij"))
    weight = np.prod(np.meshgrid(*weights, indexing="ij"), axis=0).ravel()
    with jax.enable_x64(True):
        states = NetworkState(
            max_aoi=aoi,
            max_latency=latency,
            type_probs=np.stack([share, 1.0 - share], axis=1),
            device_types=np.stack(types, axis=1),
        )
    return states, weight


def _bands(edges: Any) -> list[tuple[float, float]]:
    return [(float(low), float(high)) for low, high in itertools.pairwise(np.asarray(edges))]


def peak_interval(
    grid: np.ndarray, by_state: np.ndarray, seeds: np.ndarray | None = None
) -> tuple[float, float, float]:
    """(2.5 %, estimate, 97.5 %) of where the mean curve over mirrored states is largest.

    by_state: [A, 4 N]  U_B at each α in each state of `mirrored_states`
    seeds:    [A, S]    means by training seed; their scatter then joins that of the states

    The means over N groups are normal with a known covariance, whose draws are as good as resampling.
    """
    groups = over_images(by_state)
    mean, spread = groups.mean(axis=1), np.cov(groups) / groups.shape[1]
    rng = np.random.default_rng(0)
    curves = mean + rng.multivariate_normal(np.zeros(len(mean)), spread, DRAWS, method="eigh")
    if seeds is not None and seeds.shape[1] > 1:
        deviations = seeds - seeds.mean(axis=1, keepdims=True)
        rows = np.arange(len(mean))[:, None, None]
        picks = rng.integers(seeds.shape[1], size=(len(mean), DRAWS, seeds.shape[1]))
        curves = curves + deviations[rows, picks].mean(axis=-1).T
    low, high = np.quantile(peak_of(grid, curves), [0.025, 0.975])
    return float(low), float(peak_of(grid, mean)), float(high)


def peak_of(grid: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Where the parabola through the largest of values [..., A] and its neighbours has its vertex: [...]."""
    largest = np.argmax(values, axis=-1)
    places = np.clip(largest, 1, len(grid) - 2)[..., None] + np.array([-1, 0, 1])
    x, y = grid[places], np.take_along_axis(values, places, axis=-1)
    rises = np.diff(y) / np.diff(x)
    curvature = (rises[..., 1] - rises[..., 0]) / (x[..., 2] - x[..., 0])
    slope = rises[..., 0] + curvature * (x[..., 1] - x[..., 0])  # of the parabola, at the middle point
    bends_down = curvature < 0
    vertex = x[..., 1] - 0.5 * slope / np.where(bends_down, curvature, -1.0)
    return np.where(bends_down, np.clip(vertex, x[..., 0], x[..., 2]), grid[largest])


def _params(one: float) -> Any:
    return game_params(2, System(aoi_preference=float(one)))


def _measure(one: float, states: NetworkState) -> _Exact:
    solution = solve_reference(System(aoi_preference=one), states)
    contracts = scheme_contracts(optimal_contract, solution)
    return _Exact(
        solution=solution,
        device_utility=judge(contracts, solution).device_utility,
        frequency=np.asarray(contracts.frequency).mean(axis=0),
    )


def _single(one: float) -> np.ndarray:
    return solve_reference(System(aoi_preference=float(one)), printed_states()).optimum


def _population_means() -> dict[float, float]:
    states, weights = quadrature_states()
    return {
        float(one): float(
            np.average(solve_reference(System(aoi_preference=float(one)), states).optimum, weights=weights)
        )
        for one in EXACT
    }


def _exact_rows(
    exact: Mapping[float, _Exact], by_state: np.ndarray, population: Mapping[float, float]
) -> list[dict[str, Any]]:
    mean = by_state.mean(axis=1)
    best = by_state[np.argmax(mean)]
    rows = []
    for index, (one, measured) in enumerate(exact.items()):
        difference = over_images(by_state[index] - best)
        rows.append(
            {
                "aoi_preference": one,
                "optimum": mean[index],
                "population_mean": population[one],
                "standard_error": standard_error(over_images(by_state[index])),
                "difference_from_peak": difference.mean(),
                "difference_standard_error": standard_error(difference),
                "device_utility": measured.device_utility,
                "frequency_1": measured.frequency[0],
                "frequency_2": measured.frequency[1],
            }
        )
    return rows


def _learned_rows(learned: Mapping[float, Sequence[Any]]) -> list[dict[str, Any]]:
    return [
        {
            "aoi_preference": one,
            "seed_number": number,
            "station_utility": each.station_utility,
            "device_utility": each.device_utility,
            "feasible": each.feasible,
            "regret": each.regret,
        }
        for one, reports in learned.items()
        for number, each in enumerate(reports)
    ]


def _claims(
    exact: Mapping[float, _Exact],
    by_state: np.ndarray,
    population: Mapping[float, float],
    peak: tuple[float, float, float],
    learned_peak: tuple[float, float, float],
    singles: Mapping[str, tuple[np.ndarray, np.ndarray]],
) -> list[Claim]:
    mean = by_state.mean(axis=1)
    devices = np.array([one.device_utility for one in exact.values()])
    low, high = exact[float(EXACT[2])].frequency, exact[1.0].frequency
    whole = np.array(list(population.values()))
    standard_errors = [standard_error(row) for row in over_images(by_state)]
    inside = 0 < int(np.argmax(mean)) < len(mean) - 1
    monotone = [bool(np.all(np.diff(ys) > 0) or np.all(np.diff(ys) < 0)) for _, ys in singles.values()]
    return [
        Claim(
            "As α increases, the utility of the BS first rises, then declines; one α is best (Fig. 3).",
            "does not hold" if not inside else "holds in part" if any(monotone) else "holds",
            f"The mean over {by_state.shape[1]:,} states is {mean[0]:.2f} at α = {EXACT[0]:g}, "
            f"{mean.max():.2f} at most and {mean[-1]:.2f} at 1 (standard errors up to "
            f"{at_most(np.max(standard_errors))}; by quadrature {whole[0]:.2f}, {whole.max():.2f}, "
            f"{whole[-1]:.2f}). It is largest at {_interval(peak)} exactly and at "
            f"{_interval(learned_peak)} as learned. Of single states, {sum(monotone)} of the "
            f"{len(monotone)} printed ones are monotone in α.",
        ),
        Claim(
            "The average utility of the devices is stable in α.",
            verdict(bool(devices[-1] < 1.5 * devices[2])),
            f"It goes from {devices[2]:.4f} at α = {EXACT[2]:g} to {devices[-1]:.4f} at 1, "
            f"{devices[-1] / devices[2]:.1f} times as much; beside U_B that is "
            f"{(devices[-1] - devices[2]) / mean.max():.1g} of it.",
        ),
        Claim(
            "Update frequencies rise with α.",
            verdict(bool(np.all(high > low))),
            f"Mean (f_1, f_2) of the optimum goes from ({low[0]:.3f}, {low[1]:.3f}) at α = {EXACT[2]:g} "
            f"to ({high[0]:.3f}, {high[1]:.3f}) at 1.",
        ),
    ]


def _interval(peak: tuple[float, float, float]) -> str:
    return f"α = {peak[1]:.3f} [{peak[0]:.3f}, {peak[2]:.3f}]"

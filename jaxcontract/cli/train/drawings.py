"""The pictures of a trained run: its learning curve, and what its game has to show beside it."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from jaxcontract.cli.pictures import attempt
from jaxcontract.cli.train.request import Request
from jaxcontract.envs.budget_config import BudgetGame
from jaxcontract.envs.capacity_config import CapacityGame
from jaxcontract.envs.competition_config import CompetitionGame
from jaxcontract.envs.enrolment_budget_config import EnrolmentBudgetGame
from jaxcontract.envs.enrolment_config import EnrolmentGame
from jaxcontract.envs.game import Game
from jaxcontract.evaluation.states import CURVE_SEED
from jaxcontract.learning.algorithms.registry import ALGORITHMS
from jaxcontract.learning.policies.network_policy import NetworkPolicy

BINS = 200
GRID = 21, 3  # menus of two types among which an equilibrium is found, u_1 by u_2 − u_1
DRAWS = 100_000  # of learned menus
HIDDEN = ("equilibrium",)  # nothing, which a logarithmic axis has no place for


@dataclasses.dataclass(frozen=True)
class Shown:
    """What there is to draw of a run.

    curve:    the points of its learning curve, as `metrics.jsonl` has them
    policies: of the seeds
    """

    request: Request
    curve: Sequence[Mapping[str, Any]]
    policies: Sequence[NetworkPolicy]

    @cached_property
    def reference(self) -> Any:
        """What its policies are measured against, the game's `Reference`."""
        return self.request.make_reference()

    @cached_property
    def states(self) -> Any:
        """The states of the learning curve."""
        return self.reference.test_states(self.request.curve_states, CURVE_SEED)

    @cached_property
    def baselines(self) -> Mapping[str, Any]:
        """What needs no learning, on these states."""
        return self.reference.baselines(self.states)

    @property
    def env_steps(self) -> list[int]:
        """[P]."""
        return [row["env_steps"] for row in self.curve]

    def column(self, name: str) -> np.ndarray:
        """A measure of the curve, [S, P]; NaN at points from before it was measured."""
        missing = [None] * len(self.policies)
        return np.transpose(np.array([row.get(name, missing) for row in self.curve], float))


def draw(shown: Shown, out: Path, say: Callable[[str], None]) -> list[str]:
    """Draw all pictures of a run into its directory: the names of those that were written."""
    drawn: list[str] = []
    for name, make in find_pictures(shown).items():
        drawn += attempt(name, partial(write, make, shown, out / Path(name).stem), say)
    return drawn


def write(make: Callable[[Shown], Any], shown: Shown, path: Path) -> None:
    """Make one picture and write it."""
    from jaxcontract.figures import save

    save(make(shown), path)


def find_pictures(shown: Shown) -> dict[str, Callable[[Shown], Any]]:
    """What is drawn, by the names of the files: of every game, and of this one."""
    game = shown.request.setting.game
    pictures: dict[str, Callable[[Shown], Any]] = {"learning_curve.png": draw_curve}
    if "exploitability" in shown.curve[-1]:
        pictures["exploitability.png"] = draw_exploitability
    if "share_of_bound" in shown.curve[-1]:
        pictures["share_of_bound.png"] = draw_share
    for kind, own in OF_GAMES.items():
        pictures |= own if isinstance(game, kind) else {}
    return pictures


def draw_curve(shown: Shown) -> Any:
    """The learning curve beside what needs no learning, on the same states."""
    from jaxcontract.figures import find_words, learning_curve

    request, references = shown.request, shown.baselines

    def find_levels(measure: str, names: Sequence[str]) -> dict[str, float]:
        return {name: getattr(references[name], measure) for name in names if name in references}

    return learning_curve(
        shown.env_steps,
        shown.column("reward"),
        shown.column("regret"),
        feasible=shown.column("feasible"),
        reward_lines={"optimum": shown.curve[-1]["optimum"], **find_levels("reward", ("random",))},
        regret_lines=find_levels("regret", ("pooled", "random feasible")),
        title=f"{ALGORITHMS.name_of(request.learner)}, preset {request.preset}: {request.game}; "
        f"{request.curve_states:,} fixed states",
        words=find_words(shown.curve[-1]),
    )


def draw_exploitability(shown: Shown) -> Any:
    """How much can be gained by another contract, beside what needs no learning, on the same states."""
    from jaxcontract.figures import exploitability_curve

    request = shown.request
    lines = {
        name: report.exploitability
        for name, report in shown.baselines.items()
        if name not in HIDDEN and np.isfinite(report.exploitability)
    }
    title = f"{ALGORITHMS.name_of(request.learner)}: {request.game}; {request.curve_states:,} fixed states"
    return exploitability_curve(shown.env_steps, shown.column("exploitability"), lines, title=title)


def draw_share(shown: Shown) -> Any:
    """How much of the upper bound is earned, beside what needs no learning, on the same episodes."""
    from jaxcontract.figures import share_curve

    request = shown.request
    lines = {name: report.share_of_bound for name, report in shown.baselines.items()}
    title = f"{ALGORITHMS.name_of(request.learner)}: {request.game}; {request.curve_states:,} fixed episodes"
    return share_curve(shown.env_steps, shown.column("share_of_bound"), lines, title=title)


def draw_rounds(shown: Shown) -> Any:
    """What happens from round to round, beside what needs no learning."""
    from jaxcontract.figures import round_paths

    panels = shown.reference.rounds(shown.policies, shown.states)
    return round_paths(panels, title=f"{shown.request.game}; fixed episodes")


def draw_items(shown: Shown) -> Any:
    """What each station offers in the first of the states, beside the equilibrium."""
    from jaxcontract.evaluation.blocks import in_float64
    from jaxcontract.figures import station_items

    first = _first(shown.states.states)
    offers = [in_float64(shown.reference.offer(policy, first)) for policy in shown.policies]
    learned = [np.concatenate([getattr(one, name) for one in offers]) for name in ("frequency", "payment")]
    best = shown.states.contracts
    equilibrium = [best.frequency[0], best.payment[0]]
    return station_items(learned, equilibrium, title=f"{shown.request.game}; one unseen state")


def draw_market_shares(shown: Shown) -> Any:
    """Where devices go at the equilibrium against μ, in the state whose stations differ most."""
    import jax

    from jaxcontract.evaluation.market_shares import equilibrium_shares, spread_taste_scales
    from jaxcontract.figures import market_shares

    env, params, solution = shown.reference.env, shown.reference.params, shown.states
    at = int(np.argmax(np.ptp(solution.payoffs, axis=1)))
    state, contracts = jax.tree.map(lambda leaf: leaf[at], (solution.states, solution.contracts))
    scales = spread_taste_scales(params, state, contracts)
    count, which = env.num_stations, f"equilibrium of one of {len(solution.payoffs)} fixed states"
    which += ", whose stations differ most" * (count > 1)
    return market_shares(
        scales,
        equilibrium_shares(params, state, scales),
        own=float(params.taste_scale),
        title=f"{count} station{'s' * (count > 1)}, K = {env.num_types}: {which}",
    )


def draw_payments(shown: Shown) -> Any:
    """The density of the payments that each seed draws, beside the equilibrium's, or its menus."""
    game: Any = shown.request.setting.game
    return draw_rents(shown) if game.env.num_types == 1 else draw_menus(shown)


def draw_rents(shown: Shown) -> Any:
    """The density of the rents that each seed leaves to the one type, beside the equilibrium's."""
    from jaxcontract.figures import payment_density
    from jaxcontract.mechanism.capacity import capacity_distribution

    reference: Any = shown.reference
    edges = np.linspace(0.0, 1.0, BINS + 1)
    capacity = float(reference.params.capacity)
    exact = np.diff(np.asarray(capacity_distribution(edges, capacity), float)) / np.diff(edges)
    learned = np.array([reference.densities(policy, shown.states, edges) for policy in shown.policies])
    title = f"{shown.request.game}; mean over {shown.request.curve_states:,} fixed states"
    return payment_density(edges, learned, exact, title=title)


def draw_menus(shown: Shown) -> Any:
    """The menus that all seeds draw in the first of the states, beside an equilibrium on a grid of menus."""
    import jax

    from jaxcontract.figures import menu_density
    from jaxcontract.mechanism.menu_game import list_menus, menu_payoffs, solve_menu_game

    reference: Any = shown.reference
    system, state = reference.params.system, jax.tree.map(lambda leaf: leaf[0], shown.states.states)
    menus = list_menus(system, state, *GRID)
    payoffs = menu_payoffs(system, state, menus, float(reference.params.capacity))
    places = np.meshgrid(*(np.linspace(0.0, 1.0, size) for size in GRID), indexing="ij")
    drawn = [reference.draw(policy, shown.states, DRAWS // len(shown.policies)) for policy in shown.policies]
    return menu_density(
        np.concatenate(drawn),
        np.stack([part.ravel() for part in places], axis=1),
        solve_menu_game(payoffs).weights,
        title=f"{shown.request.game}; one fixed state",
    )


def _first(tree: Any) -> Any:
    """The first of some rounds, still with its axis."""
    import jax

    return jax.tree.map(lambda leaf: np.asarray(leaf)[:1], tree)


OF_GAMES: Mapping[type[Game], dict[str, Callable[[Shown], Any]]] = {
    BudgetGame: {"rounds.png": draw_rounds},
    EnrolmentGame: {"rounds.png": draw_rounds},
    EnrolmentBudgetGame: {"rounds.png": draw_rounds},
    CapacityGame: {"payments.png": draw_payments},
    CompetitionGame: {"items.png": draw_items, "market_shares.png": draw_market_shares},
}

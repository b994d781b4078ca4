"""Fig. 2(a): test reward against rounds played, and what it hides: feasibility and regret."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from jaxcontract.envs.contract import ContractEnv
from jaxcontract.evaluation.contract_reference import ContractReference
from jaxcontract.figures import Curve, learning_comparison
from reproduction.cases import Case, Scale, feasible_ppo, game_params, printed_ppo
from reproduction.item import Claim, Item, quote, verdict
from reproduction.trainer import TrainedCase, Trainer

TITLE = "Fig. 2(a): learning curves"
PRINTED_UPDATES, FEASIBLE_UPDATES = 2000, 600


def cases(scale: Scale) -> dict[Any, list[Case]]:
    """Both learners over all seeds."""
    return {
        "PPO printed": printed_ppo(scale.seeds, scale.updates(PRINTED_UPDATES), curve=True),
        "PPO feasible": feasible_ppo(scale.seeds, scale.updates(FEASIBLE_UPDATES), curve=True),
    }


def report(trainer: Trainer, outcomes: Mapping[Any, Sequence[TrainedCase]]) -> Item:
    """Curves of both learners, with the levels that need no learning."""
    params = game_params(2)
    solution = trainer.solution(params, curve=True)
    references = ContractReference(ContractEnv(), params).baselines(solution)
    optimum = float(np.mean(solution.optimum))
    curves = {name: _curve(runs, sampled=name == "PPO printed") for name, runs in outcomes.items()}
    figure = partial(
        learning_comparison,
        curves,
        reward_levels={"optimum": optimum, "random": references["random"].reward},
        regret_levels={name: references[name].regret for name in ("pooled", "random feasible")},
        title="Paper's Fig. 2(a): test reward, and what it hides",
    )
    levels = [{"scheme": "optimum", "reward": optimum, "feasible": 1.0, "regret": 0.0}] + [
        {"scheme": name, "reward": one.reward, "feasible": one.feasible, "regret": one.regret}
        for name, one in references.items()
    ]
    return Item(
        tables={"fig2a": _rows(outcomes), "fig2a_levels": levels},
        figures={"fig2a": figure},
        claims=_claims(curves, references, optimum),
    )


def _curve(runs: Sequence[TrainedCase], *, sampled: bool) -> Curve:
    def column(name: str) -> np.ndarray:
        return np.stack([getattr(run, name) for run in runs])

    return Curve(
        env_steps=runs[0].env_steps,
        reward=column("reward"),
        feasible=column("feasible"),
        regret=column("regret"),
        sampled=column("sampled") if sampled else None,
    )


def _rows(outcomes: Mapping[Any, Sequence[TrainedCase]]) -> list[dict[str, Any]]:
    return [
        {
            "scheme": name,
            "seed": run.case.seed,
            "env_steps": int(run.env_steps[point]),
            "reward": run.reward[point],
            "feasible": run.feasible[point],
            "regret": run.regret[point],
            "learner_reward": run.sampled[point],
        }
        for name, runs in outcomes.items()
        for run in runs
        for point in range(len(run.env_steps))
    ]


def _in_part(count: int, total: int) -> str:
    return "does not hold" if count == 0 else "holds" if count == total else "holds in part"


def _claims(curves: Mapping[str, Curve], references: Mapping[str, Any], optimum: float) -> list[Claim]:
    printed, feasible = curves["PPO printed"], curves["PPO feasible"]
    final = printed.reward[:, -1]
    random, random_feasible, pooled = (references[name] for name in ("random", "random feasible", "pooled"))
    best_pooled = int(np.sum(printed.regret[:, -1] < pooled.regret))
    early = feasible.env_steps[np.nanmean(feasible.regret, axis=0) < pooled.regret]
    return [
        Claim(
            "The PPO-based algorithm outperforms the random algorithm (Fig. 2(a)).",
            verdict(bool(np.min(final) > random.reward)),
            f"Algorithm 1 as printed ends at a test reward of {quote(final, 5)} over {len(final)} seeds, "
            f"random at {random.reward:.0f}. A share of {quote(printed.feasible[:, -1])} of its contracts is "
            f"feasible, of random ones {random.feasible:.3g}; random *feasible* contracts earn "
            f"{random_feasible.reward:.0f}.",
        ),
        Claim(
            "PPO can more effectively find the optimal contract.",
            verdict(bool(best_pooled == len(final))),
            f"As printed, {quote(printed.feasible[:, -1])} of its contracts are feasible, with a regret "
            f"of {quote(printed.regret[:, -1])}; one item for all devices has {pooled.regret:.3g}, random "
            f"feasible contracts {random_feasible.regret:.3g}; {best_pooled} of {len(final)} seeds beat the "
            f"one item. With actions feasible by construction it comes to {quote(feasible.regret[:, -1])} of "
            f"an optimum of {optimum:.0f}.",
        ),
        Claim(
            "PPO requires few samples.",
            _in_part(best_pooled, len(final)),
            f"As printed, {best_pooled} of {len(final)} seeds lose less than one pooled item after "
            f"{printed.env_steps[-1]:,} rounds. With feasible actions "
            + (f"{early[0]:,} rounds do." if len(early) else f"{feasible.env_steps[-1]:,} do not suffice."),
        ),
    ]

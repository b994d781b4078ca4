"""How much the learners' settings matter, one at a time."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from jaxcontract.config.presets import PRESETS
from jaxcontract.figures import Panel, sensitivity
from reproduction.cases import Case, Scale, feasible_ppo, game_params, ppo_of, printed_ppo
from reproduction.item import Claim, Item, quote, verdict
from reproduction.trainer import TrainedCase, Trainer

TITLE = "Sensitivity of the learners"
DEFAULT, PRINTED = ppo_of("default"), ppo_of("paper")
PENALTY = PRESETS["paper"].parts["env"].penalty
FEASIBLE_UPDATES, PRINTED_UPDATES, BATCH = 300, 1000, PRINTED.batch_size


class Axis(NamedTuple):
    """One setting of one learner: its values, and the one that the others are varied around."""

    learner: str
    name: str
    values: list[float]
    default: float
    log_x: bool


AXES = (
    Axis("PPO feasible", "learning rate", [3e-4, 1e-3, 3e-3, 1e-2, 3e-2], DEFAULT.learning_rate, True),
    Axis("PPO feasible", "minibatches per pass", [1.0, 2.0, 4.0, 8.0, 16.0], DEFAULT.minibatches, True),
    Axis("PPO feasible", "discount γ", [0.0, 0.5, 0.95], DEFAULT.discount, False),
    Axis("PPO feasible", "clip range ε", [0.05, 0.1, 0.2, 0.3, 0.5], DEFAULT.clip_range, False),
    Axis("PPO printed", "learning rate", [3e-5, 1e-4, 3e-4, 1e-3], PRINTED.learning_rate, True),
    Axis("PPO printed", "batch size N", [256.0, 512.0, 1024.0], BATCH, True),
    Axis("PPO printed", "discount γ", [0.0, PRINTED.discount], PRINTED.discount, False),
    Axis("PPO printed", "clip range ε", [0.1, 0.2, 0.3], PRINTED.clip_range, False),
    Axis("PPO printed", "penalty U_p", [-2500.0, -500.0, -100.0], PENALTY, False),
)


def _feasible_case(name: str, value: float) -> Callable[[Scale], list[Case]]:
    changes: dict[str, dict[str, Any]] = {
        "learning rate": {"learning_rate": value},
        "minibatches per pass": {"minibatches": int(value)},
        "discount γ": {"discount": value},
        "clip range ε": {"clip_range": value},
    }
    return lambda scale: feasible_ppo(scale.others, scale.updates(FEASIBLE_UPDATES), **changes[name])


def _printed_case(name: str, value: float) -> Callable[[Scale], list[Case]]:
    """As many rounds for every value: with a larger batch N, fewer updates."""
    params, share = game_params(2), 1.0
    changes: dict[str, Any] = {}
    if name == "penalty U_p":
        params = params.replace(penalty=value)
    elif name == "batch size N":
        share = BATCH / value
        params = params.replace(episode_length=int(value))
        changes = {"num_steps": int(value)}
    elif name == "learning rate":
        changes = {"learning_rate": value, "final_learning_rate": value}
    else:
        changes = {{"discount γ": "discount", "clip range ε": "clip_range"}[name]: value}
    return lambda scale: printed_ppo(
        scale.others, scale.updates(round(share * PRINTED_UPDATES)), params=params, **changes
    )


def cases(scale: Scale) -> dict[Any, list[Case]]:
    """A few seeds at every value, under (learner, setting, value)."""
    maker = {"PPO feasible": _feasible_case, "PPO printed": _printed_case}
    return {
        (axis.learner, axis.name, value): maker[axis.learner](axis.name, value)(scale)
        for axis in AXES
        for value in scale.values(axis.values)
    }


def report(trainer: Trainer, outcomes: Mapping[Any, Sequence[TrainedCase]]) -> Item:
    """A panel for every setting, a row of them for every learner."""
    panels, rows = [], []
    for axis in AXES:
        values = [value for learner, name, value in outcomes if (learner, name) == (axis.learner, axis.name)]
        reports = [
            [trainer.report(run) for run in outcomes[axis.learner, axis.name, value]] for value in values
        ]
        # (13) itself moves with the penalty: the share of feasible contracts can be compared.
        measure = "regret" if axis.learner == "PPO feasible" else "feasible"
        column = np.array([[getattr(one, measure) for one in each] for each in reports])
        panels.append(
            Panel(
                row=axis.learner,
                name=axis.name.replace("U_p", "U$_p$"),
                unit="",
                values=np.asarray(values, float),
                labels=None,
                default=axis.default,
                measures={axis.learner: column},
                log_x=axis.log_x,
                measure="mean regret of feasible\ncontracts (units of payment)"
                if measure == "regret"
                else "share of feasible contracts",
                log_y=measure == "regret",
            )
        )
        rows += [
            {
                "learner": axis.learner,
                "setting": axis.name,
                "value": value,
                "seed_number": number,
                "reward": one.reward,
                "feasible": one.feasible,
                "regret": one.regret,
                "screening_gap": one.screening_gap,
            }
            for value, each in zip(values, reports, strict=True)
            for number, one in enumerate(each)
        ]
    return Item(
        tables={"sensitivity": rows},
        figures={"sensitivity": partial(sensitivity, panels)},
        claims=_claims(rows),
    )


def _claims(rows: Sequence[Mapping[str, Any]]) -> list[Claim]:
    def seen(discount: float, name: str) -> list[float]:
        wanted = ("PPO printed", "discount γ", discount)
        return [row[name] for row in rows if (row["learner"], row["setting"], row["value"]) == wanted]

    one = PRINTED.discount
    return [
        Claim(
            f"(This project's) γ = {one:g} is of use to the algorithm as printed.",
            verdict(bool(np.mean(seen(0.0, "feasible")) < np.mean(seen(one, "feasible")))),
            "The next state does not depend on the action: a discount adds at most later rounds' noise. "
            f"With γ = 0, {quote(seen(0.0, 'feasible'))} of the contracts are feasible, with a regret of "
            f"{quote(seen(0.0, 'regret'))}; with {one:g}, {quote(seen(one, 'feasible'))}, with "
            f"{quote(seen(one, 'regret'))}.",
        )
    ]

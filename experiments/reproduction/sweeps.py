"""The exact optimum and learned contracts against the parameters of the deployment."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from jaxcontract.cli.text_tables import round_down
from jaxcontract.envs.contract import EnvParams
from jaxcontract.evaluation.offers import scheme_contracts
from jaxcontract.evaluation.report import Report, judge
from jaxcontract.evaluation.statistics import finite_mean
from jaxcontract.figures import Sweep, sweeps
from jaxcontract.mechanism.optimum import complete_information_contract
from jaxcontract.mechanism.records import System
from reproduction.cases import Case, Scale, feasible_ppo, game_params
from reproduction.item import Claim, Item, at_most, verdict
from reproduction.trainer import TrainedCase, Trainer

TITLE = "Sweeps over the deployment"
UPDATES = 300
DEVICES = "number of devices M"
VALUES: dict[str, tuple[str, list[float]]] = {
    "number of types K": ("", [2.0, 4.0, 8.0, 16.0, 32.0]),
    "unit profit β": ("", [1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0]),
    "update-cost scale": ("× the paper's", [0.1, 0.3, 1.0, 3.0, 10.0]),
    "slot duration t": ("s", [1e-4, 1e-3, 1e-2, 3e-2, 1e-1]),
    DEVICES: ("", [1.0, 10.0, 40.0, 200.0, 1000.0]),
}


def params_of(name: str, value: float) -> EnvParams:
    """The paper's game with one parameter changed."""
    if name == "number of types K":
        return game_params(int(value))
    if name == "unit profit β":
        return game_params(2, System(unit_profit=value))
    if name == "update-cost scale":
        return game_params(2, cost_scale=value)
    if name == "slot duration t":
        return game_params(2, System(slot_duration=value))
    return game_params(2, System(num_devices=value))


def cases(scale: Scale) -> dict[Any, list[Case]]:
    """A few seeds at every value, under (parameter, value)."""
    found = {}
    for name, (_, values) in VALUES.items():
        for value in scale.values(values):
            params = params_of(name, value)
            size = params.distribution.num_types
            found[name, value] = feasible_ppo(
                scale.others, scale.updates(UPDATES), num_types=size, params=params
            )
    return found


def report(trainer: Trainer, outcomes: Mapping[Any, Sequence[TrainedCase]]) -> Item:
    """Mean U_B, exact and learned, and what is lost, for every parameter."""
    rows, columns = [], []
    for name, (unit, _) in VALUES.items():
        values = [value for other, value in outcomes if other == name]
        exact, learned, informed = [], [], []
        for value in values:
            solution = trainer.solution(params_of(name, value))
            contracts = scheme_contracts(complete_information_contract, solution)
            informed.append(-judge(contracts, solution, known_types=True).regret)
            exact.append((solution.optimum.mean(), (solution.optimum - solution.pooled).mean()))
            learned.append([trainer.report(run) for run in outcomes[name, value]])
        columns.append(_column(name, unit, values, np.array(exact), learned, np.array(informed)))
        rows += _rows(name, values, exact, learned, informed)
    return Item(tables={"sweeps": rows}, figures={"sweeps": partial(sweeps, columns)}, claims=_claims(rows))


def _column(
    name: str,
    unit: str,
    values: Sequence[float],
    exact: np.ndarray,
    learned: Sequence[Sequence[Report]],
    informed: np.ndarray,
) -> Sweep:
    regret = np.array([[one.regret for one in seeds] for seeds in learned]).T
    utility = np.array([[one.station_utility for one in seeds] for seeds in learned]).T
    return Sweep(
        name=name,
        unit=unit,
        values=np.asarray(values, float),
        log_x=True,
        utility={"optimum": exact[:, 0], "PPO feasible": utility},
        losses={
            "PPO feasible": regret,
            "pooled": exact[:, 1][None],
            "complete information": informed[None],
        },
    )


def _rows(
    name: str,
    values: Sequence[float],
    exact: Sequence[tuple[float, float]],
    learned: Sequence[Sequence[Report]],
    informed: Sequence[float],
) -> list[dict[str, Any]]:
    return [
        {
            "parameter": name,
            "value": value,
            "optimum": exact[index][0],
            "worth_of_screening": exact[index][1],
            "cost_of_hidden_types": informed[index],
            "seed_number": number,
            "station_utility": one.station_utility,
            "feasible": one.feasible,
            "regret": one.regret,
            "screening_gap": one.screening_gap,
        }
        for index, value in enumerate(values)
        for number, one in enumerate(learned[index])
    ]


def _claims(rows: Sequence[Mapping[str, Any]]) -> list[Claim]:
    each = {row["value"]: row["optimum"] / row["value"] for row in rows if row["parameter"] == DEVICES}
    spread = max(each.values()) / min(each.values()) - 1
    sizes = [row for row in rows if row["parameter"] == "number of types K"]
    gaps = {
        size: finite_mean([row["screening_gap"] for row in sizes if row["value"] == size])
        for size in dict.fromkeys(row["value"] for row in sizes)
    }
    least = min(float(row["feasible"]) for row in rows)
    all_feasible = "All its contracts are" if least == 1 else f"At least {round_down(least, 4)} of them are"
    worst = max(rows, key=lambda row: row["screening_gap"])
    return [
        Claim(
            "(This project's) The number of devices M only scales U_B.",
            verdict(spread < 1e-9),
            f"U_B*/M is the same to {at_most(spread)} from M = {min(each):g} to {max(each):g}.",
        ),
        Claim(
            "(This project's) The same learner, untuned, beats one item for all in every deployment.",
            "holds" if worst["screening_gap"] < 1 else "holds in part",
            f"{all_feasible} feasible. Mean screening gap over seeds by K: "
            + ", ".join(f"{size:g}: {gap:.1%}" for size, gap in gaps.items())
            + f". The worst seed of all sweeps has {worst['screening_gap']:.0%}, at {worst['parameter']} = "
            f"{worst['value']:g}.",
        ),
    ]

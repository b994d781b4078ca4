"""Results as tables that a person reads in a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxcontract.cli.text_tables import FittedTable, round_down
from jaxcontract.cli.text_tables import plain_table as plain_table
from jaxcontract.envs.contract import ContractEnv, EnvParams
from jaxcontract.evaluation.report import Report
from jaxcontract.evaluation.statistics import over_seeds
from jaxcontract.learning.policies.network_policy import NetworkPolicy
from jaxcontract.training.summary import MEASURES, measures_of, printed_items


def seeds_table(seeds: Sequence[int], reports: Sequence[Any], references: Mapping[str, Any]) -> FittedTable:
    """A row for each seed, the mean with its interval, and the schemes that need no learning."""
    first = reports[0]
    measures, optimum = measures_of(first), getattr(first, "optimum_title", "mean optimum U_B*")
    table = plain_table(
        f"On {first.num_states:,} unseen states ({optimum} = {first.optimum:.3f})",
        ["seed", *(title for title, _ in measures.values())],
    )
    for seed, report in zip(seeds, reports, strict=True):
        table.add_row(str(seed), *_cells(report))
    columns = np.array([[getattr(report, name) for name in measures] for report in reports], float)
    for label, values in zip(("mean", "95 % from", "to"), over_seeds(columns), strict=True):
        cells = [_cell(name, value, measures) for name, value in zip(measures, values.tolist(), strict=True)]
        table.add_row(label, *cells)
    for name, report in references.items():
        table.add_row(name, *_cells(report))
    for count, names in _fewer(columns, measures).items():
        table.add_note(f"{', '.join(names)}: mean of the {count} of {len(reports)} seeds that have one")
    return table


def _fewer(columns: np.ndarray, measures: Mapping[str, tuple[str, str]]) -> dict[int, list[str]]:
    """The measures [S, N] that some seeds have no finite value of, by how many have one."""
    found: dict[int, list[str]] = {}
    for (title, _), count in zip(measures.values(), np.isfinite(columns).sum(axis=0).tolist(), strict=True):
        if 0 < count < len(columns):
            found.setdefault(count, []).append(title)
    return found


def sizes_table(found: Sequence[Mapping[int, Report]], left_out: Sequence[int]) -> FittedTable:
    """A row for each number of types: the mean over the seeds, and the worst of them.

    found:    {K: report} of each seed
    left_out: the K that no training network had
    """
    names = ("feasible", "regret", "screening_gap")
    titles = ["feasible", "mean regret", "screening gap", "worst seed's gap"]
    count = next(iter(found[0].values())).num_states
    table = plain_table(f"By number of types, {count:,} unseen states of each", ["K", *titles])
    for size in found[0]:
        columns = np.array([[getattr(own[size], name) for name in names] for own in found], float)
        cells = [_cell(name, value) for name, value in zip(names, columns.mean(axis=0).tolist(), strict=True)]
        worst = _cell("screening_gap", float(columns[:, 2].max()))
        table.add_row(f"{size} (left out)" if size in left_out else str(size), *cells, worst)
    return table


def learners_table(rows: Sequence[tuple[str, Any, float | None, int | None]]) -> FittedTable:
    """A row for each (name, report, seconds or None, env steps or None) of learners set side by side."""
    first = rows[0][1]
    measures, optimum = measures_of(first), getattr(first, "optimum_title", "mean optimum U_B*")
    names = [name for name in measures if name not in ("max_violation", "reward")]
    table = plain_table(
        f"On {first.num_states:,} unseen {'states' if measures is MEASURES else 'episodes'} "
        f"({optimum} = {first.optimum:.3f})",
        ["learner", *(measures[name][0] for name in names), "seconds", "env steps"],
    )
    for label, report, seconds, env_steps in rows:
        cells = (_cell(name, getattr(report, name), measures) for name in names)
        spent = "-" if seconds is None else f"{seconds:.1f}"
        table.add_row(label, *cells, spent, "-" if env_steps is None else f"{env_steps:,}")
    return table


def printed_states_table(policy: NetworkPolicy, env: ContractEnv, params: EnvParams) -> FittedTable:
    """The contract of the paper's three printed states: learned beside exact, item by item. K = 2."""
    table = plain_table(
        "The paper's printed states: learned and exact items",
        ["state", "type", "f learned", "f exact", "r learned", "r exact", "regret"],
        keys=2,
    )
    pairs = [(name, of) for name in ("frequency", "payment") for of in ("learned", "exact")]
    for row in printed_items(policy, env, params):
        regret = row["regret"]
        ends = [f"{regret:.5f}" if np.isfinite(regret) else "infeasible", ""]
        for k in range(2):
            numbers = (f"{row[of][name][k]:.5f}" for name, of in pairs)
            table.add_row("" if k else str(row["state"]), str(k + 1), *numbers, ends[k])
    return table


def _cells(report: Any) -> list[str]:
    measures = measures_of(report)
    return [_cell(name, getattr(report, name), measures) for name in measures]


def _cell(name: str, value: Any, measures: Mapping[str, tuple[str, str]] = MEASURES) -> str:
    if not np.isfinite(value):
        return "-"
    return round_down(value, 5) if name == "feasible" else measures[name][1].format(value)

"""The deployment and the law of a file's networks, as options of a training. No JAX."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxcontract.cli.input_files.columns import Remarks
from jaxcontract.cli.input_files.network_rows import CONSTANTS, read_networks


class FittedLaw(NamedTuple):
    """What a file's networks say of a setting.

    options: those of the deployment and of the law, and the number of types, by name
    said:    lines for a person
    """

    options: Mapping[str, Any]
    said: list[str]


def fit_law(path: Path, given: Mapping[str, Any] | None = None) -> FittedLaw:
    """The law that covers the networks of a file: ranges of Ā_max, D̄_max and of every type's φ.

    The bands of two neighbouring types meet in the middle between the greatest φ of the lower and the
    least of the higher one. Shares are drawn from all that there may be, whatever they are in the file.

    given: options by name that come before the file's

    Raises:
        ValueError: one line naming the file, the row, the column and what is allowed; or that the networks
            are of several deployments.
    """
    remarks = Remarks()
    blocks = list(read_networks(path, remarks=remarks))
    rows = np.concatenate([block.rows for block in blocks])
    fields = {name: np.concatenate([block.fields[name] for block in blocks]) for name in blocks[0].fields}
    types = fields["device_types"]
    edges = _find_edges(types)
    options = {
        "num_types": types.shape[1],
        "aoi_range": _find_range(fields["max_aoi"]),
        "latency_range": _find_range(fields["max_latency"]),
        "type_edges": edges,
        **_find_deployment(path, rows, fields),
    }
    given = given or {}
    edges = given.get("type_edges", edges)
    if len(edges) != len(options["type_edges"]):
        size, bands = len(options["type_edges"]) - 1, len(edges) - 1
        raise ValueError(f"--type-edges: has {bands} bands, the networks of {path} have {size} types")
    outside = np.any((types < edges[:-1]) | (types > edges[1:]), axis=1)
    said = _describe(path, {**options, **given}, set(given), rows, outside)
    return FittedLaw(options, [*remarks.as_list(), *said])


def _find_range(values: np.ndarray) -> tuple[float, float]:
    return float(values.min()), float(values.max())


def _find_edges(types: np.ndarray) -> tuple[float, ...]:
    """The edges [K + 1] of bands around φ [n, K]."""
    low, high = types.min(axis=0), types.max(axis=0)
    between = 0.5 * (high[:-1] + low[1:])
    edges: list[float] = np.maximum.accumulate([low[0], *between, high[-1]]).tolist()
    return tuple(edges)


def _find_deployment(path: Path, rows: np.ndarray, fields: Mapping[str, np.ndarray]) -> dict[str, float]:
    """The constants, which are to be the same in every row."""
    found = {}
    for name in CONSTANTS:
        values = fields[name]
        other = np.flatnonzero(values != values[0])
        if other.size:
            raise ValueError(
                f"{path}: {name} is {values[0]:g} in row {rows[0]} and {values[other[0]]:g} in row "
                f"{rows[other[0]]}: a policy is trained for one deployment; make a file of each"
            )
        found[name] = float(values[0])
    return found


def _describe(
    path: Path, options: Mapping[str, Any], given: set[str], rows: np.ndarray, outside: np.ndarray
) -> list[str]:
    many = "its network" if len(rows) == 1 else f"its {len(rows):,} networks"
    aoi, latency, edges = (options[name] for name in ("aoi_range", "latency_range", "type_edges"))
    said = [
        f"{path}: networks are drawn like {many}: max_aoi in [{aoi[0]:g}, {aoi[1]:g}] s, max_latency in "
        f"[{latency[0]:g}, {latency[1]:g}] s, device types between {', '.join(f'{one:g}' for one in edges)}, "
        "any shares"
    ]
    if outside.any():
        said.append(
            f"{path}: {outside.sum():,} of {len(rows):,} networks have a type outside its band "
            f"(first in row {rows[outside][0]}); bands do not overlap, --type-edges sets others"
        )
    ranges = {"aoi_range": aoi, "latency_range": latency}
    narrow = [
        f"--{name.replace('_', '-')}"
        for name, ends in ranges.items()
        if ends[0] == ends[1] and name not in given
    ]
    if narrow:
        said.append(
            f"{path}: has one value of what {' and '.join(narrow)} would widen; a policy knows no other"
        )
    return said

"""The network of the types that costs were grouped into: a file to design for again, or to train on."""

from pathlib import Path

import numpy as np

from jaxcontract.cli.design.choosing import Study
from jaxcontract.cli.input_files.network_rows import CONSTANTS, STATE
from jaxcontract.storage.files import write_json

NAME = "network.json"
ROUNDED = 6  # digits of the edges of bands on a command line


def write_network(out: Path, found: Study) -> None:
    """Write `network.json`, in the form that `design` and `train --network-file` read."""
    grouping = found.grouping
    constants = {name: found.network[name] for name in CONSTANTS}
    constants["num_devices"] *= grouping.covered
    types = {"type_probs": grouping.type_probs.tolist(), "device_types": grouping.device_types.tolist()}
    state = {**{name: found.network[name] for name in STATE}, **types}
    write_json(out / NAME, {"system": constants, "states": [state]})


def describe_training(out: Path, found: Study) -> str:
    """The command that trains a policy for these types: each between the ends of its group's costs."""
    grouping = found.grouping
    edges = 1.0 / np.append(grouping.highest[::-1], found.observed.costs[0])
    edges[0] *= 1 - 10.0**-ROUNDED  # rounding keeps the costs themselves inside
    edges[-1] *= 1 + 10.0**-ROUNDED
    told = ",".join(f"{edge:.{ROUNDED + 1}g}" for edge in edges)
    return (
        "a policy for these types, whatever their shares, where requirements change from round to round: "
        f"jaxcontract train --network-file {out / NAME} --type-edges {told} "
        "--aoi-range 0.5,1 --latency-range 0.5,1"
    )

"""Networks to train a policy on, from observed costs: each type between the ends of its group."""

from pathlib import Path

import numpy as np

from jaxcontract.cli.design.choosing import Study
from jaxcontract.cli.input_files.network_rows import CONSTANTS, STATE
from jaxcontract.storage.files import write_json

NAME = "train_on.json"
COMMAND = "jaxcontract train --network-file {file} --aoi-range 0.5,1 --latency-range 0.5,1"


def write_training_file(out: Path, found: Study) -> str:
    """Write `train_on.json`, which `design` and `train --network-file` read; a line that says what for.

    Its first network is the one that has been designed for. In the others every type is the dearest, and the
    cheapest, of its group: the law that covers them has the groups as bands of types.
    """
    grouping = found.grouping
    ends = 1.0 / np.append(grouping.highest[::-1], found.observed.costs[0])
    of_types = [grouping.device_types, ends[:-1], ends[1:]]
    if np.array_equal(of_types[0], of_types[1]):
        del of_types[1]
    constants = {name: found.network[name] for name in CONSTANTS}
    constants["num_devices"] *= grouping.covered
    common = {name: found.network[name] for name in STATE} | {"type_probs": grouping.type_probs.tolist()}
    states = [{**common, "device_types": types.tolist()} for types in of_types]
    write_json(out / NAME, {"system": constants, "states": states})
    command = COMMAND.format(file=out / NAME)
    return (
        f"{NAME} has this network, and the same with every type the cheapest of its group: what a policy is "
        f"trained between. For any shares and requirements: {command}"
    )

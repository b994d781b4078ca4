"""All that is read before JAX is imported, so that what is wrong with it is said at once. No JAX."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from jaxcontract.cli.design.grouping import Grouping, group
from jaxcontract.cli.design.request import Request
from jaxcontract.cli.input_files.columns import Remarks
from jaxcontract.cli.input_files.network_rows import NetworkRows, read_networks
from jaxcontract.cli.input_files.observed import Observed, read_costs
from jaxcontract.cli.input_files.rival_offers import read_rivals


class Input(NamedTuple):
    """What has been read, all of it found in order.

    total, num_types: how many networks there are, of how many types
    read_as: how each file was read where that is not plain to see, by its path
    rivals: the items [n, 2] of each other station
    """

    total: int
    num_types: int
    read_as: Mapping[str, list[str]]
    observed: Observed | None = None
    grouping: Grouping | None = None
    rivals: Mapping[str, np.ndarray] = MappingProxyType({})


def read(request: Request) -> Input:
    """Read and check everything, before JAX is imported. Raises ValueError."""
    observed = grouping = None
    remarks = {str(path): Remarks() for path in (request.network, request.history, request.rivals) if path}
    if request.history:
        observed = read_costs(request.history, remarks[str(request.history)], request.cost_options)
        grouping = group(observed, request.types, request.grouping, request.group_cost)
    total, num_types = 0, 0
    for block in stream_networks(request, grouping, remarks[str(request.network)]):
        total += len(block.rows)
        num_types = block.fields["type_probs"].shape[1]
    if request.history and total > 1:
        raise ValueError(f"{request.network}: --history goes with one network, this file has {total:,}")
    rivals = read_rivals(request.rivals, remarks[str(request.rivals)]) if request.rivals else {}
    read_as = {path: said for path, one in remarks.items() if (said := one.as_list())}
    return Input(total, num_types, read_as, observed, grouping, rivals)


def stream_networks(
    request: Request, grouping: Grouping | None, remarks: Remarks | None = None
) -> Iterator[NetworkRows]:
    """The networks, block by block; of the types that were observed, where there are any."""
    for block in read_networks(request.network, typed=grouping is None, remarks=remarks):
        if grouping is None:
            yield block
            continue
        types = {"type_probs": grouping.type_probs, "device_types": grouping.device_types}
        rows = len(block.rows)
        yield block._replace(
            fields=block.fields | {name: np.tile(column, (rows, 1)) for name, column in types.items()}
        )

"""The best groups of observed costs for a network, and how many of them. Imports JAX when called."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from jaxcontract.cli.design.grouping import Grouping, form_groups, group
from jaxcontract.cli.design.held_out import HeldOut, hold_out
from jaxcontract.cli.design.inputs import Input, stream_networks
from jaxcontract.cli.design.outliers import outlier_lines, sparse_lines
from jaxcontract.cli.design.request import Request
from jaxcontract.cli.input_files.network_rows import CONSTANTS, NetworkRows
from jaxcontract.cli.input_files.observed import Observed
from jaxcontract.mechanism.best_menus import BestItems, Menu, best_menus, count_useful

LOOKED_AT = 32  # numbers of items, or twice the number asked for


class Study(NamedTuple):
    """What was found of observed costs.

    grouping: the groups that become types
    network:  the constants of `System`, max_aoi and max_latency, by name
    solve:    of `best_menus`, for this network; None where no item has a quality of data
    menus:    the best of 1, 2, … items; none where groups are found in another way
    held_out: what they earn on other observations, where that was measured
    asked:    how many items were sought, of which those are kept that earn something
    said:     lines on how the groups were chosen; remarks: lines on what is amiss
    """

    observed: Observed
    grouping: Grouping
    network: Mapping[str, float]
    solve: BestItems | None = None
    menus: Sequence[Menu] = ()
    held_out: HeldOut | None = None
    asked: int = 0
    leave_out: bool = False
    whole_cycles: bool = False
    said: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def earn_with(self, name: str, values: np.ndarray) -> np.ndarray | None:
        """U_B [n] of the best groups under other values [n] of a constant; None without best groups."""
        if not self.menus:
            return None
        return np.array([self._earn(name, value) for value in values.tolist()])

    def _earn(self, name: str, value: float) -> float:
        solve = _make_solve({**self.network, name: value}, self.whole_cycles)
        if not solve:
            return -np.inf
        costs, counts, *_ = self.observed
        menus = best_menus(costs, counts, self.asked, solve, leave_out=self.leave_out)
        return self.network["num_devices"] * menus[-1].profit


def study(request: Request, given: Input) -> Study | None:
    """Group the observed costs for the one network that there is; None without observed costs.

    Raises:
        ValueError: when what is left out leaves less than one device.
    """
    observed, grouping = given.observed, given.grouping
    if observed is None or grouping is None:
        return None
    block = next(stream_networks(request, grouping))
    network = {name: float(column[0]) for name, column in block.fields.items() if column.ndim == 1}
    solve = _make_solve(network, request.integer_cycles)
    found = Study(observed, grouping, network, solve)
    if not solve:
        if request.grouping != "best":
            return found
        said = "no item has a quality of data: grouped by quantiles"
        return found._replace(
            grouping=group(observed, request.types, "quantiles", request.group_cost), said=(said,)
        )
    if request.grouping == "best":
        found = _choose_best(request, found, solve)
    size, devices = len(found.grouping.cost), found.network["num_devices"]
    lines = outlier_lines(observed, size, solve, devices, request.leave_out)
    lines += sparse_lines(observed, found.grouping)
    return found._replace(remarks=(*found.remarks, *lines))


def stream_served(request: Request, found: Study | None) -> Iterator[NetworkRows]:
    """The networks; of observed costs, M counts the devices that are not left out."""
    for block in stream_networks(request, found.grouping if found else None):
        if found is None or found.grouping.covered == 1:
            yield block
            continue
        devices = block.fields["num_devices"] * found.grouping.covered
        yield block._replace(fields={**block.fields, "num_devices": devices})


def _make_solve(network: Mapping[str, float], whole_cycles: bool) -> BestItems | None:
    """The best items of a network at virtual costs, or None where they have no quality of data."""
    import jax

    import jaxcontract as jc
    from jaxcontract.mechanism.best_items import make_best_items
    from jaxcontract.mechanism.cycles import best_cycle_frequency
    from jaxcontract.mechanism.optimum import best_frequency

    asked = {name: network[name] for name in ("max_aoi", "max_latency")}
    with jax.enable_x64(True):
        system = jc.System(**{name: network[name] for name in CONSTANTS})
        state = jc.NetworkState(**asked, type_probs=[1.0], device_types=[1.0])
    solve = make_best_items(system, state, best_cycle_frequency if whole_cycles else best_frequency)
    return solve if np.isfinite(solve(np.array([0.0, 1.0]))[0]).all() else None


def _choose_best(request: Request, found: Study, solve: BestItems) -> Study:
    """The best K groups of all, of the K asked for or the K that held-out observations choose."""
    observed, said, remarks = found.observed, [], []
    most = max(LOOKED_AT, 2 * (request.types or 0))
    menus = best_menus(observed.costs, observed.counts, most, solve, leave_out=request.leave_out)
    held_out = None
    if request.group_cost == "highest":
        held_out = hold_out(observed, solve, min(most, len(menus)), request.leave_out)
    asked = request.types
    if asked is None:
        asked = held_out.choose_fewest() if held_out else len(menus)
        said.append(
            f"--types is left out: {asked} type{'s' * (asked > 1)}, the fewest that no other number beats "
            f"beyond noise on held-out {observed.word}"
        )
    useful = count_useful(menus[:asked])
    if request.types and useful < asked:
        remarks.append(
            f"--types {asked}: {useful} earn{'s' * (useful == 1)} as much, more items earn nothing"
        )
    grouping = form_groups(observed, menus[useful - 1].highest, request.group_cost)
    if grouping.covered < 1:
        said.append(_tell_left_out(found, grouping))
    return found._replace(
        grouping=grouping,
        menus=menus,
        held_out=held_out,
        asked=asked,
        leave_out=request.leave_out,
        whole_cycles=request.integer_cycles,
        said=tuple(said),
        remarks=tuple(remarks),
    )


def _tell_left_out(found: Study, grouping: Grouping) -> str:
    devices = found.network["num_devices"] * grouping.covered
    share, dearest = 1 - grouping.covered, grouping.highest[-1]
    if devices < 1:
        raise ValueError(
            f"--leave-out: leaves {devices:.3g} of {found.network['num_devices']:g} devices, fewer than one"
        )
    gone = int(found.observed.counts[found.observed.costs > dearest].sum())
    return (
        f"left out, since that earns more: {gone:,} of {found.observed.num_devices:,} {found.observed.word} "
        f"({share:.2%}), those that cost more than {dearest:.4g}; the contract is for {devices:.4g} of "
        f"{found.network['num_devices']:g} devices"
    )

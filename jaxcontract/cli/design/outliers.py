"""Observed costs that a menu should not rest on unseen: outliers, and types of one observation. No JAX."""

import numpy as np

from jaxcontract.cli.design.grouping import Grouping
from jaxcontract.cli.design.telling import list_types
from jaxcontract.cli.input_files.observed import Observed
from jaxcontract.mechanism.best_menus import ROUNDING, BestItems, best_menus

FENCE = 3.0  # interquartile ranges of ln c above the upper quartile: Tukey's far out (1977)
NARROWEST = 0.1  # of ln c, the least range: where most costs are equal, the next one is not far
MOST_FAR = 0.05  # of the observations; more are no outliers


def find_far(observed: Observed) -> Observed:
    """The costs far above the rest: more than three interquartile ranges of ln c above the upper quartile."""
    level, share = np.log(observed.costs), np.cumsum(observed.counts) / observed.num_devices
    low, high = (level[np.searchsorted(share, quarter)] for quarter in (0.25, 0.75))
    far = level > high + FENCE * max(high - low, NARROWEST)
    if observed.counts[far].sum() > MOST_FAR * observed.num_devices:
        far[:] = False
    return observed._replace(costs=observed.costs[far], counts=observed.counts[far])


def outlier_lines(
    observed: Observed, num_types: int, solve: BestItems, num_devices: float, leave_out: bool
) -> list[str]:
    """What the dearest observations cost the base station, where it would earn more without them.

    num_types: K, of the best menus that are compared; solve: of `best_menus`
    """
    kept = best_menus(observed.costs, observed.counts, num_types, solve)[-1].profit
    chosen = best_menus(observed.costs, observed.counts, num_types, solve, leave_out=True)[-1]
    served = observed.costs <= chosen.highest[-1]
    far = find_far(observed)
    if leave_out and not served.all():
        return []  # the dearest are left out already, which is said
    lines = []
    if len(far.costs):
        rest = observed._replace(
            costs=observed.costs[: -len(far.costs)], counts=observed.counts[: -len(far.costs)]
        )
        gain = best_menus(rest.costs, rest.counts, num_types, solve)[-1].profit - kept
        if gain > ROUNDING * abs(kept):
            lines.append(_tell_far(far, rest, num_devices * gain))
    gain = chosen.profit - kept
    served_devices = num_devices * observed.counts[served].sum() / observed.num_devices
    if gain > ROUNDING * abs(kept) and served_devices >= 1:  # a contract is for one device at least
        gone, above = int(observed.counts[~served].sum()), chosen.highest[-1]
        lines.append(
            f"--leave-out would earn {num_devices * gain:.4f} more: no item for {gone:,} of "
            f"{observed.num_devices:,} {observed.word}, those that cost more than {above:.4g}"
        )
    return lines


def _tell_far(far: Observed, rest: Observed, gain: float) -> str:
    count, total = far.num_devices, far.num_devices + rest.num_devices
    ends = f"{far.costs[0]:.4g}" + f" to {far.costs[-1]:.4g}" * (len(far.costs) > 1)
    one = count == 1
    them, kept = ("it", "it is kept") if one else ("them", "they are kept")
    return (
        f"{count} of {total:,} {far.word} cost{'s' * one} far more than the rest ({ends}, beside at most "
        f"{rest.costs[-1]:.4g}): without {them} the base station would earn "
        f"{gain:.4f} more; {kept}"
    )


def sparse_lines(observed: Observed, grouping: Grouping) -> list[str]:
    """Which types rest on one observation alone."""
    size = len(grouping.cost)
    devices = np.bincount(grouping.member, observed.counts, size + 1)[:size][::-1]
    types = (np.flatnonzero(devices == 1) + 1).tolist()
    if not types:
        return []
    each = "each rest" if len(types) > 1 else "rests"
    return [f"{list_types(types, size)} {each} on one {observed.word.removesuffix('s')}"]

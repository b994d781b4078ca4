"""What a number of items earns on observations that its menu was not made from. No JAX."""

from typing import NamedTuple

import numpy as np

from jaxcontract.cli.input_files.observed import Observed
from jaxcontract.mechanism.best_menus import BestItems, best_menus, realised_profit

RESAMPLES = 200
LARGEST = 5000  # observations in a resample
MOST_ITEMS = 32
LEVELS = (0.05, 0.95)
SEED = 0
GAIN = ("held_out_gain", "held_out_low", "held_out_high")


class HeldOut(NamedTuple):
    """Profit of menus on observations outside the resample that they were made from.

    profit: [R, K] of a device, mean, for menus of up to 1 … K items; size: observations in a resample
    """

    profit: np.ndarray
    size: int

    def choose_fewest(self) -> int:
        """The fewest items that no other number of them beats beyond noise.

        Beyond noise: the 90 % interval of what the other earns more, paired by resample, is above zero.
        """
        most = self.profit.shape[1]
        for fewest in range(most - 1):
            more = self.profit[:, fewest + 1 :] - self.profit[:, [fewest]]
            if np.all(np.quantile(more, LEVELS[0], axis=0) <= 0):
                return fewest + 1
        return most

    def describe(self, num_types: int, scale: float) -> dict[str, float]:
        """U_B of a number of items, mean, and what they earn more than one item: mean and 90 % interval.

        scale: M
        """
        names = ("held_out", *GAIN)
        if num_types > self.profit.shape[1]:
            return dict.fromkeys(names, float("nan"))
        profit = scale * self.profit[:, num_types - 1]
        gain = profit - scale * self.profit[:, 0]
        values = (profit.mean(), gain.mean(), *np.quantile(gain, LEVELS))
        return dict(zip(names, map(float, values), strict=True))


def hold_out(observed: Observed, solve: BestItems, most: int, leave_out: bool) -> HeldOut | None:
    """Bootstrap observations, and measure each menu on those that were not drawn.

    solve, leave_out: as in `best_menus`; most: K

    Of more than 5,000 observations, each resample is drawn from 5,000 of them. Returns None where no
    resample leaves an observation out.
    """
    generator = np.random.default_rng(SEED)
    total = observed.num_devices
    size, ends = min(total, LARGEST), np.cumsum(observed.counts)
    sought, rows = min(most, MOST_ITEMS), []
    for _ in range(RESAMPLES):
        taken = np.arange(total) if size == total else generator.choice(total, size, replace=False)
        cost = np.searchsorted(ends, taken, side="right")
        drawn = np.bincount(generator.integers(size, size=size), minlength=size)
        if not (drawn == 0).any():
            continue
        made_from = Observed(*_count(observed.costs, cost, drawn))
        menus = best_menus(
            made_from.costs, made_from.counts, min(most, MOST_ITEMS), solve, leave_out=leave_out
        )
        others = _count(observed.costs, cost, drawn == 0)
        row = [realised_profit(menu, *others) for menu in menus]
        rows.append(row + row[-1:] * (sought - len(row)))  # more items would be none
    return HeldOut(np.array(rows), size) if rows else None


def _count(costs: np.ndarray, index: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Different costs, and how often each occurs, of observations [n] that count `times` [n] each."""
    different, place = np.unique(index, return_inverse=True)
    counts = np.bincount(place, times, len(different)).astype(int)
    return costs[different[counts > 0]], counts[counts > 0]

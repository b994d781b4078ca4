"""How a person says how a file of observed costs is to be read. No JAX."""

import argparse
import math
from typing import NamedTuple

from jaxcontract.cli.input_files.columns import normalise
from jaxcontract.cli.input_files.cost_columns import COST
from jaxcontract.cli.options import OneLineParser

MEAN = "mean"


class CostOptions(NamedTuple):
    """How a file of costs is read.

    cost_column, device_column: their names, as `CostColumns` has them
    device_cost:   the cost of a device with several rows: their mean, or a quantile of theirs
    unit_value:    what one unit of the file's costs is worth, in units of payment
    skip_unusable: whether rows that cannot be used are left out and counted, or refused
    """

    cost_column: str | None = None
    device_column: str | None = None
    device_cost: float | str = MEAN
    unit_value: float = 1.0
    skip_unusable: bool = False


def add_cost_options(parser: OneLineParser) -> None:
    """Add what says how a file of observed costs is read."""
    add = parser.add_argument
    add("--cost-column", metavar="NAME", help="the column of the costs (default cost)")
    add(
        "--device-column",
        metavar="NAME",
        help='the column of the devices: each counts once (default device, where there is one; "" for none)',
    )
    add(
        "--device-cost",
        type=device_cost,
        metavar="mean|Q",
        help="the cost of a device with several rows: their mean (default), or a quantile; 0.5: the median",
    )
    add(
        "--cost-unit-value",
        type=unit_value,
        metavar="X",
        help="what one unit of the file's costs is worth in units of payment (default 1)",
    )
    add("--skip-unusable", action="store_true", help="leave out rows without a positive cost, and count them")


def device_cost(text: str) -> float | str:
    """An option's value as the mean, or a quantile."""
    if text == MEAN:
        return text
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be mean, or a quantile in [0, 1]")
    return value


def unit_value(text: str) -> float:
    """An option's value as what a unit is worth."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} must be a positive finite number")
    return value


def check_cost_options(parser: OneLineParser, parsed: argparse.Namespace) -> None:
    """Refuse options of a file of costs that do not go together."""
    for option in ("cost_column", "device_column", "device_cost", "cost_unit_value", "skip_unusable"):
        if getattr(parsed, option) not in (None, False) and not parsed.history:
            parser.error(f"--{option.replace('_', '-')}: goes with --history")
    cost, device = parsed.cost_column, parsed.device_column
    if cost is not None and not cost.strip():
        parser.error("--cost-column: '' must be the name of a column")
    if device is not None and normalise(device) == normalise(COST if cost is None else cost):
        parser.error(f"--device-column: {device!r} is the column of the costs; name another")
    if parsed.device_cost is not None and device is not None and not device.strip():
        parser.error('--device-cost: goes with devices, and --device-column "" counts each row')

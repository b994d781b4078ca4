"""What wider bounds on f would earn, decade by decade."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

import jaxcontract as jc
from jaxcontract.cli.design.choosing import Study
from jaxcontract.cli.design.solving import Exact, Learned, make_records
from jaxcontract.cli.design.writing import BOUNDS, Decades, Found
from jaxcontract.cli.input_files.network_rows import CONSTANTS, NetworkRows

MOST = 6  # decades between the least and the greatest frequency that there may be


def find_decades(
    contracts: Exact | Learned, networks: NetworkRows, found: Found, index: int, study: Study | None = None
) -> Decades:
    """What each bound on f that binds in a network would earn if it were wider, the other left as it is.

    study: of observed costs, whose best groups depend on the bounds

    Empty for a policy: what it would do in a game of other bounds is not known.
    """
    if isinstance(contracts, Learned):
        return {}
    one = {name: field[index] for name, field in networks.fields.items()}
    decades = {}
    for side, name in BOUNDS.items():
        allowed = CONSTANTS[name].metadata["allowed"]
        values = np.clip(one[name] * 10.0 ** (side * np.arange(1, MOST + 1)), allowed.low, allowed.high)
        if (found["binding"][index] == side).any() and values[0] != one[name]:
            regroup = study and study.earn_with(name, values)
            earned = _solve_with(contracts, one, name, values) if regroup is None else regroup
            new = (
                np.diff(values, prepend=one[name]) != 0
            )  # there is no going on at the end of what is allowed
            decades[name] = values[new], earned[new]
    return decades


def _solve_with(contracts: Exact, one: Mapping[str, Any], name: str, values: np.ndarray) -> np.ndarray:
    """U_B [n] of a network with other values [n] for one constant."""
    fields = {key: np.repeat(np.asarray(value)[None], len(values), axis=0) for key, value in one.items()}
    with jax.enable_x64(True):
        system, state = make_records({**fields, name: values})
        contract = contracts.choose(system, state)
        utility: np.ndarray = np.asarray(_earn(system, state, contract))
    return utility


@jax.jit
def _earn(systems: jc.System, states: jc.NetworkState, contracts: jc.Contract) -> jax.Array:
    utility: jax.Array = jax.vmap(jc.station_utility)(systems, states, contracts)
    return utility

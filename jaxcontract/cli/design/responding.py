"""The best contract for devices that may walk away or go to rivals, certified by an upper bound."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxcontract as jc
from jaxcontract.cli.design.solving import make_records
from jaxcontract.cli.input_files.network_rows import NetworkRows
from jaxcontract.cli.input_files.rival_offers import best_offers

FAR = 1e3  # times μ below 0, where an offer attracts nobody


def respond(
    networks: NetworkRows, rivals: Mapping[str, np.ndarray], taste_scale: float
) -> dict[str, np.ndarray]:
    """What is best for each network of a block, in float64.

    rivals: the items [n, 2] of each
    taste_scale: μ, units of payment

    By type, [n, K]: frequency, payment, rent; participation, the share that comes; elsewhere, the share that
    goes to a rival; naive_frequency and naive_payment, of (10). By network, [n]: station_utility,
    upper_bound; naive_utility, of the contract of (10); joining, leaving and staying out, shares of all
    devices; device_utility; max_violation.
    """
    offers = best_offers(dict(rivals), networks.fields["device_types"])
    # In a logit all that is elsewhere is one offer of the same inclusive value: one program for any J.
    nothing = np.full_like(offers[:, :0].sum(axis=1), -FAR)
    offers = taste_scale * np.logaddexp.reduce([nothing, *np.moveaxis(offers / taste_scale, 1, 0)])[:, None]
    with jax.enable_x64(True):
        system, state = make_records(networks.fields)
        found: dict[str, np.ndarray] = jax.device_get(_respond(system, state, offers, taste_scale))
    return found


@jax.jit
def _respond(systems: Any, states: Any, rivals: Any, taste_scale: Any) -> dict[str, jax.Array]:
    def one(system, state, rivals):
        best = jc.best_response(system, state, taste_scale, rivals)
        naive = jc.optimal_contract(system, state)
        certificate = jc.certify(system, state, best.contract)
        rent = certificate.ir_slack
        come = jc.participation(rent, taste_scale, rivals)
        logs = jnp.concatenate([jnp.zeros_like(rent)[None], rivals, rent[None]]) / taste_scale
        stay = jnp.exp(-jax.nn.logsumexp(logs, axis=0))
        value = taste_scale * jax.nn.logsumexp(logs, axis=0)
        probs = state.type_probs
        return {
            "frequency": best.contract.frequency,
            "payment": best.contract.payment,
            "rent": rent,
            "participation": come,
            "elsewhere": 1.0 - come - stay,
            "naive_frequency": naive.frequency,
            "naive_payment": naive.payment,
            "station_utility": best.utility,
            "upper_bound": best.upper_bound,
            "naive_utility": jc.participation_utility(system, state, naive, taste_scale, rivals),
            "joining": jnp.sum(probs * come),
            "leaving": jnp.sum(probs * (1.0 - come - stay)),
            "staying_out": jnp.sum(probs * stay),
            "device_utility": jnp.sum(probs * value),
            "max_violation": certificate.max_violation,
        }

    return jax.vmap(one)(systems, states, rivals)

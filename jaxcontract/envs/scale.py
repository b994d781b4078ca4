"""The units that a learner's numbers are counted in, from the deployment and the law of its networks."""

import dataclasses
import math
from typing import Any

import numpy as np

from jaxcontract.core.fields import Record, concrete, documented, number, refuse
from jaxcontract.core.pytree import register
from jaxcontract.mechanism.network_states import NetworkDistribution, check_distribution
from jaxcontract.mechanism.records import System
from jaxcontract.mechanism.rounds import check_system

LEAST_SHARE = 1e-4  # of the range of f, that a typical frequency is taken to be from its ends


@register
@documented
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Scale(Record):
    """How large rents, rewards and frequencies are, as multiples of what they are at the paper's constants.

    A learner starts with actions near 0 and takes steps near 1, whatever a device's cost is counted in. With
    these numbers such actions stand for contracts of the right size, and rewards are of the size that
    they have in the paper's game, where all three change nothing.

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    payment_unit: Any = number(
        1.0, "what rents, raw payments and the tolerance are multiplied by", low=0, above=True
    )
    reward_unit: Any = number(1.0, "what the centred reward is divided by", low=0, above=True)
    frequency_shift: Any = number(0.0, "what is added to the logits of the frequencies")


@dataclasses.dataclass(frozen=True)
class _Typical:
    """A contract with one device of the middle type, in a network of the middle of the law."""

    share: float
    payment: float
    loss: float


def fit_scale(system: System, distribution: NetworkDistribution) -> Scale:
    """The scale of a deployment (with the paper's quality) and of the law of its networks.

    It compares the contract of complete information of a middle network with that of the paper's. A change
    of the unit of payments, which divides β, costs and U_B by one number, changes no action and no reward.

    Raises:
        ValueError: when one of them is of another kind, the system has a quality or an effort of its own or
            is a batch, or a number is not known yet.
    """
    check_system(system)
    check_distribution(distribution)
    if system.brings_its_own:
        raise refuse("fit_scale", "system", type(system).__name__, "one with the paper's quality and effort")
    here, paper = _find_typical(system, distribution), _find_typical(System(), NetworkDistribution())
    return Scale(
        payment_unit=here.payment / paper.payment,
        reward_unit=here.loss / paper.loss,
        frequency_shift=_logit(here.share) - _logit(paper.share),
    )


def _find_typical(system: System, distribution: NetworkDistribution) -> _Typical:
    devices, preference, profit, slot, low, high = (
        _plain(getattr(system, name))
        for name in (
            "num_devices",
            "aoi_preference",
            "unit_profit",
            "slot_duration",
            "min_frequency",
            "max_frequency",
        )
    )
    aoi, latency = (
        float(np.mean(_plain(getattr(distribution, name), array=True)))
        for name in ("aoi_range", "latency_range")
    )
    edges = _plain(distribution.type_edges, array=True)
    cost = 1.0 / math.sqrt(float(edges[0])) / math.sqrt(float(edges[-1]))
    index = 1.0 + preference * aoi + (1.0 - preference) * latency
    # β W'(f)/W₀ = cost, with W'(f) = t (α/(2f²) − 1)  (1) to (4)
    best = math.sqrt(preference * profit * slot / (2.0 * (cost * index + profit * slot)))
    frequency = min(max(best, low), high)
    freshness = slot * (frequency + 0.5 * preference / frequency) / index
    share = (frequency - low) / (high - low) if high > low else 0.5
    return _Typical(
        share=min(max(share, LEAST_SHARE), 1.0 - LEAST_SHARE),
        payment=cost * frequency,
        loss=devices * (profit * freshness + cost * frequency),
    )


def _plain(value: Any, *, array: bool = False) -> Any:
    known = concrete(value)
    if known is None:
        raise refuse("fit_scale", "system and distribution", value, "numbers that are known, outside of jit")
    return np.asarray(known, np.float64) if array else float(known)


def _logit(share: float) -> float:
    return math.log(share) - math.log1p(-share)

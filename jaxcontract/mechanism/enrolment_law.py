"""How devices come back, or stay away, as a person chooses it. No JAX: `enrolment.py` computes with it."""

import dataclasses
from typing import Any

from jaxcontract.core.fields import Record, number


@dataclasses.dataclass(frozen=True, kw_only=True)
class EnrolmentLaw(Record):
    """What a round does to the shares n_k of devices that are enrolled.

    n_k' = (1 − η) n_k + η G((u_k − κ)/μ) with G(x) = 1/(1 + e^{−x}): each round a share η of the devices
    thinks again, and compares what its type has just earned with what it could have elsewhere.

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    taste_scale: Any = number(
        1.0, "scale μ of how devices differ in what they want", unit="units of payment", low=0, above=True
    )
    outside_utility: Any = number(
        1.0, "utility κ at which half of the devices stay enrolled", unit="units of payment"
    )
    turnover: Any = number(
        0.1, "share η of the devices that think again each round", low=0, above=True, high=1
    )
    first_enrolled: Any = number(
        0.05, "share n_k of each type that is enrolled at the start", low=0, above=True, high=1
    )

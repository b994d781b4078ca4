"""The rules of the contract game that a person can choose. Imports no JAX: `rules.py` plays by them."""

import dataclasses
from typing import Any

from jaxcontract.core.fields import Record, choice, number, whole
from jaxcontract.mechanism.validation import TOLERANCE


@dataclasses.dataclass(frozen=True, kw_only=True)
class EnvOptions(Record):
    """What shapes the game: its size, its actions and what it pays. Static under JAX."""

    num_types: int = whole(2, "device types K", low=1)
    actions: str = choice("feasible", "how an action becomes a contract", ("feasible", "raw"))
    reward: str = choice("centred", "what the learner is paid", ("centred", "paper"))


@dataclasses.dataclass(frozen=True, kw_only=True)
class EnvNumbers(Record):
    """The numbers of the game, traced under JAX."""

    penalty: Any = number(-500.0, "reward U_p of an infeasible contract (13)", high=0)
    violation_price: Any = number(
        25.0, "centred reward lost per device and unit of payment by which constraints are missed", low=0
    )
    safety_margin: Any = number(
        0.0, "slack that constraints must keep to cost nothing", unit="units of payment", low=0
    )
    tolerance: Any = number(
        TOLERANCE, "violation that still counts as feasible", unit="units of payment", low=0
    )
    episode_length: Any = whole(512, "rounds Z in an episode", low=1, static=False)

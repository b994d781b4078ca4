"""What games share in which rounds depend on each other: how networks change from round to round. No JAX."""

import dataclasses
import math
from typing import Any

from jaxcontract.core.fields import Record, choice, number, refuse, whole
from jaxcontract.mechanism.network_law import NetworkLaw

NETWORKS = ("frozen", "independent", "markov")


@dataclasses.dataclass(frozen=True, kw_only=True)
class RoundOptions(Record):
    """What shapes such a game. Static under JAX."""

    num_types: int = whole(2, "device types K", low=1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class NetworkChange(Record):
    """How the network changes within an episode. Each of them keeps the law of a round's network.

    frozen:      it stays
    independent: it is drawn anew in each round
    markov:      it is drawn anew in a round with the chance 1 − e^{−1/τ}, or else stays: what two rounds that
                 are z apart have in common falls as e^{−z/τ}
    """

    networks: str = choice("frozen", "how the network changes from round to round", NETWORKS)
    correlation_time: float = number(
        10.0, "τ of markov networks", unit="rounds", low=0, above=True, static=True
    )

    @property
    def redraw(self) -> float:
        """The chance that a round's network is drawn anew."""
        chances = {"frozen": 0.0, "independent": 1.0, "markov": -math.expm1(-1.0 / self.correlation_time)}
        return chances[self.networks]

    def without_effect(self) -> dict[str, str]:
        """The fields whose value changes no result: {name: where that is so}."""
        idle = self.networks != "markov"
        return {"correlation_time": f"networks = {self.networks}"} if idle else {}


def check_bands(law: NetworkLaw, rules: Any) -> None:
    """Raises ValueError when the law is of another number of types than the rules."""
    bands = len(law.type_edges) - 1
    if bands > 0 and bands != rules.num_types:
        allowed = f"{bands}, the bands of type_edges = {law.type_edges}"
        raise refuse(type(rules).__name__, "num_types", rules.num_types, allowed)

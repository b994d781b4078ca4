"""A game as a person chooses it. No JAX."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from jaxcontract.core.fields import Record
from jaxcontract.core.protocols import Environment, Reference
from jaxcontract.core.registry import resolve


@dataclasses.dataclass(frozen=True, kw_only=True)
class Game(Record):
    """The records of a game, one for each part of a setting, and what is made of them.

    A game's own class is a dataclass whose fields are records: their fields are options of a command line.

    environment: "module:function", which makes (env, params) of the game
    reference:   "module:Class", which measures policies: a `Reference`, called with (env, params)
    eval_states, curve_states: on how many states a result, and a point of a learning curve, is measured where
        nobody says: as many as the reference solves in seconds
    learner_defaults: what a learner starts from here where nobody says, by its field's name
    without_slope: why no learner can climb the slope of its reward; empty where one can
    """

    # Names, so that a command line reads the fields without JAX.
    environment: ClassVar[str]
    reference: ClassVar[str]
    eval_states: ClassVar[int] = 20_000
    curve_states: ClassVar[int] = 1024
    learner_defaults: ClassVar[Mapping[str, Any]] = {}
    without_slope: ClassVar[str] = ""

    # Whether the environment has `item_layout()`.
    has_items: ClassVar[bool] = False

    @property
    def has_rivals(self) -> bool:
        """Whether several players learn against one another."""
        return False

    def make(self) -> tuple[Environment, Any]:
        """The environment and its parameters."""
        made: tuple[Environment, Any] = resolve(self.environment)(self)
        return made

    def make_reference(self, env: Environment, params: Any) -> Reference:
        """What policies of the environment are measured against."""
        reference: Reference = resolve(self.reference)(env, params)
        return reference

    def count_states(self) -> tuple[int, int]:
        """On how many states a result, and a point of a learning curve, is measured where nobody says."""
        return self.eval_states, self.curve_states

    def in_learner_units(self) -> "Game":
        """The same game as it is trained on, in units that do not depend on a person's choice of them.

        Its actions stand for the same decisions, and its observations, scaled to their bounds, are equal.
        """
        return self

    def describe(self) -> str:
        """The game in a few words, for a person."""
        return type(self).__name__

    def without_effect(self) -> dict[str, str]:
        """The fields whose value changes no result: {name: where that is so}."""
        return {}

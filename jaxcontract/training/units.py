"""Policies that were trained on a game in one set of units, for the same game in another."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax

from jaxcontract.core.item_layout import find_item_layout
from jaxcontract.core.protocols import Environment
from jaxcontract.learning.boxes import make_bijector, make_normalizer
from jaxcontract.learning.networks.initialize import needs_items
from jaxcontract.learning.policies.network_policy import NetworkPolicy
from jaxcontract.training.seeds import Training

Game = tuple[Environment, Any]  # and its params


def play_in(games: Sequence[Game | None], training: Training) -> Training:
    """The training, with policies that observe and act in the units of another environment.

    games: of each seed; None leaves its policy as it was trained

    A network sees observations scaled to their bounds, which are the same in both; so the scaling, and the
    Box that actions are brought into, are all that differ.
    """

    def policies(learners: Any) -> list[NetworkPolicy]:
        found = training.policies(learners)
        pairs = zip(found, games[: len(found)], strict=True)
        return [policy if game is None else _in_units(policy, *game) for policy, game in pairs]

    return dataclasses.replace(training, policies=policies)


def _in_units(policy: NetworkPolicy, env: Environment, params: Any) -> NetworkPolicy:
    layout = find_item_layout(env) if needs_items(policy.network) else None
    maps = {
        "normalizer": make_normalizer(env.observation_space(params), layout),
        "bijector": make_bijector(env.action_space(params)),
    }
    return dataclasses.replace(policy, **jax.device_get(maps))

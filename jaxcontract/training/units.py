"""Policies that were trained on a game in one set of units, for the same game in another."""

import dataclasses
from typing import Any

import jax

from jaxcontract.core.protocols import Environment
from jaxcontract.learning.boxes import make_bijector, make_normalizer
from jaxcontract.training.seeds import Training


def play_in(env: Environment, params: Any, training: Training) -> Training:
    """The training, with policies that observe and act in the units of another environment.

    A network sees observations scaled to their bounds, which are the same in both; so the scaling, and the
    Box that actions are brought into, are all that differ.
    """
    maps = {
        "normalizer": jax.device_get(make_normalizer(env.observation_space(params))),
        "bijector": jax.device_get(make_bijector(env.action_space(params))),
    }

    def policies(learners: Any) -> list[Any]:
        return [dataclasses.replace(policy, **maps) for policy in training.policies(learners)]

    return dataclasses.replace(training, policies=policies)

"""The numbers of the contract game: its own, the deployment's and those of the law of network states."""

import dataclasses
from collections.abc import Iterable
from typing import Any

import jax
import numpy as np

from jaxcontract.core.fields import check_parts, concrete, documented, refuse
from jaxcontract.core.pytree import register
from jaxcontract.envs.config import EnvNumbers
from jaxcontract.envs.scale import Scale
from jaxcontract.mechanism.effort import check_shape
from jaxcontract.mechanism.network_states import NetworkDistribution, check_distribution, corners
from jaxcontract.mechanism.records import System, check_kind
from jaxcontract.mechanism.rounds import check_rank, check_system
from jaxcontract.mechanism.validation import check_quality


@register
@documented
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class EnvParams(EnvNumbers):
    """Everything numeric about the game; all traced, so a sweep over it is a `vmap`.

    system:       the deployment
    distribution: the law of its network states, with as many types as the env
    scale:        what actions and rewards are counted in; `fit_scale` finds what suits the other two

    Raises:
        ValueError: naming the field, its value and what is allowed; how the system's own quality or
            effort cannot be screened (`check_shape`, at the corners of the distribution); or that no network
            of the distribution has a contract with a quality of data.
    """

    system: System = dataclasses.field(default_factory=System)
    distribution: NetworkDistribution = dataclasses.field(default_factory=NetworkDistribution)
    scale: Scale = dataclasses.field(default_factory=Scale)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_parts(self, system=System, distribution=NetworkDistribution, scale=Scale)
        if any(concrete(leaf) is None for leaf in jax.tree.leaves((self.system, self.distribution))):
            return
        if self.system.brings_its_own:
            for state in corners(self.distribution):
                check_shape(self.system, state)
        else:
            law = self.distribution
            check_quality(self.system, np.max(law.aoi_range), np.max(law.latency_range))

    @property
    def allowed_violation(self) -> Any:
        """The tolerance in units of payment: what a constraint of a feasible contract may be missed by."""
        return self.tolerance * self.scale.payment_unit


def check_params(params: Any) -> None:
    """Raises ValueError, in one line, when these are no numbers of a contract game, or those of several."""
    check_one_game(params, EnvParams, [field.name for field in dataclasses.fields(EnvNumbers)])


def check_one_game(params: Any, kind: type, numbers: Iterable[str]) -> None:
    """Raises ValueError, in one line, when these are no numbers of one game.

    kind:    the record that they must be, with a system and a distribution
    numbers: the fields that are one number in one game
    """
    check_kind("params", params, kind)
    for name in numbers:
        check_rank(f"{kind.__name__}.{name}", getattr(params, name), 0)
    check_system(params.system)
    check_distribution(params.distribution)


def check_types(env: Any, params: Any) -> None:
    """Raises ValueError, in one line, when networks of the params have other types than the environment."""
    if params.distribution.num_types != env.num_types:
        allowed = f"{params.distribution.num_types}, the bands of params.distribution.type_edges"
        raise refuse(type(env).__name__, "num_types", env.num_types, allowed)

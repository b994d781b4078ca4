"""Incentive contracts under hidden information, learned and solved exactly, at the speed of JAX.

The names below are the package's face; the README shows them at work. They are imported when first
used, so that a command line can answer `--help` without waiting for JAX.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxcontract.deployment import ExportedPolicy as ExportedPolicy
    from jaxcontract.deployment import load_exported as load_exported
    from jaxcontract.env import ContractEnv as ContractEnv
    from jaxcontract.env import EnvParams as EnvParams
    from jaxcontract.evaluation import HostPolicy as HostPolicy
    from jaxcontract.evaluation import Report as Report
    from jaxcontract.evaluation import evaluate as evaluate
    from jaxcontract.evaluation import unseen_states as unseen_states
    from jaxcontract.export import export_policy as export_policy
    from jaxcontract.learning.policy import Policy as Policy
    from jaxcontract.learning.ppo import Learner as Learner
    from jaxcontract.learning.ppo import PPOConfig as PPOConfig
    from jaxcontract.learning.ppo import train as train
    from jaxcontract.mechanism.cycles import whole_cycle_contract as whole_cycle_contract
    from jaxcontract.mechanism.effort import check_shape as check_shape
    from jaxcontract.mechanism.feasible import feasible_contract as feasible_contract
    from jaxcontract.mechanism.feasible import feasible_vector as feasible_vector
    from jaxcontract.mechanism.freshness import average_aoi as average_aoi
    from jaxcontract.mechanism.freshness import average_latency as average_latency
    from jaxcontract.mechanism.freshness import quality_of_data as quality_of_data
    from jaxcontract.mechanism.incentives import Certificate as Certificate
    from jaxcontract.mechanism.incentives import centred_utility as centred_utility
    from jaxcontract.mechanism.incentives import certify as certify
    from jaxcontract.mechanism.incentives import device_utilities as device_utilities
    from jaxcontract.mechanism.incentives import station_utility as station_utility
    from jaxcontract.mechanism.networks import NetworkDistribution as NetworkDistribution
    from jaxcontract.mechanism.networks import observe as observe
    from jaxcontract.mechanism.networks import printed_states as printed_states
    from jaxcontract.mechanism.networks import sample_network as sample_network
    from jaxcontract.mechanism.optimum import (
        complete_information_contract as complete_information_contract,
    )
    from jaxcontract.mechanism.optimum import optimal_contract as optimal_contract
    from jaxcontract.mechanism.optimum import pooled_contract as pooled_contract
    from jaxcontract.mechanism.records import Contract as Contract
    from jaxcontract.mechanism.records import NetworkState as NetworkState
    from jaxcontract.mechanism.records import System as System
    from jaxcontract.mechanism.schemes import chosen_items as chosen_items
    from jaxcontract.mechanism.schemes import naive_contract as naive_contract
    from jaxcontract.mechanism.schemes import posted_price_contract as posted_price_contract
    from jaxcontract.mechanism.schemes import realised_utility as realised_utility
    from jaxcontract.mechanism.schemes import social_optimum_contract as social_optimum_contract
    from jaxcontract.mechanism.schemes import (
        take_it_or_leave_it_contract as take_it_or_leave_it_contract,
    )
    from jaxcontract.numpy_policy import NumpyPolicy as NumpyPolicy
    from jaxcontract.numpy_policy import load_numpy_policy as load_numpy_policy
    from jaxcontract.pytree import register as register
    from jaxcontract.runs import load_env as load_env
    from jaxcontract.runs import load_policy as load_policy
    from jaxcontract.simulation import simulate_market as simulate_market
    from jaxcontract.simulation import simulate_requests as simulate_requests

_ROOMS = {
    "jaxcontract.deployment": ("ExportedPolicy", "load_exported"),
    "jaxcontract.env": ("ContractEnv", "EnvParams"),
    "jaxcontract.evaluation": ("HostPolicy", "Report", "evaluate", "unseen_states"),
    "jaxcontract.export": ("export_policy",),
    "jaxcontract.learning.policy": ("Policy",),
    "jaxcontract.learning.ppo": ("Learner", "PPOConfig", "train"),
    "jaxcontract.mechanism.effort": ("check_shape",),
    "jaxcontract.mechanism.cycles": ("whole_cycle_contract",),
    "jaxcontract.mechanism.feasible": ("feasible_contract", "feasible_vector"),
    "jaxcontract.mechanism.freshness": ("average_aoi", "average_latency", "quality_of_data"),
    "jaxcontract.mechanism.incentives": (
        "Certificate",
        "centred_utility",
        "certify",
        "device_utilities",
        "station_utility",
    ),
    "jaxcontract.mechanism.networks": (
        "NetworkDistribution",
        "observe",
        "printed_states",
        "sample_network",
    ),
    "jaxcontract.mechanism.optimum": (
        "complete_information_contract",
        "optimal_contract",
        "pooled_contract",
    ),
    "jaxcontract.mechanism.records": ("Contract", "NetworkState", "System"),
    "jaxcontract.mechanism.schemes": (
        "chosen_items",
        "naive_contract",
        "posted_price_contract",
        "realised_utility",
        "social_optimum_contract",
        "take_it_or_leave_it_contract",
    ),
    "jaxcontract.numpy_policy": ("NumpyPolicy", "load_numpy_policy"),
    "jaxcontract.pytree": ("register",),
    "jaxcontract.runs": ("load_env", "load_policy"),
    "jaxcontract.simulation": ("simulate_market", "simulate_requests"),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = sorted(_ROOM_OF)
__version__ = "0.2.0"


def __getattr__(name: str) -> Any:
    if name not in _ROOM_OF:
        raise AttributeError(f"module 'jaxcontract' has no attribute {name!r}")
    value = getattr(importlib.import_module(_ROOM_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

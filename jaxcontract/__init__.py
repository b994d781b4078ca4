"""Incentive contracts under hidden information, learned and solved exactly, at the speed of JAX.

The names below are the package's face; the README shows them at work. They are imported when first
used, so that a command line can answer `--help` without waiting for JAX.
"""

import ast
import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxcontract.core.host_policy import HostPolicy as HostPolicy
    from jaxcontract.core.protocols import Algorithm as Algorithm
    from jaxcontract.core.protocols import Environment as Environment
    from jaxcontract.core.protocols import Network as Network
    from jaxcontract.core.protocols import Policy as Policy
    from jaxcontract.core.protocols import PolicyHead as PolicyHead
    from jaxcontract.core.protocols import Reference as Reference
    from jaxcontract.core.pytree import register as register
    from jaxcontract.envs.budget import BudgetEnv as BudgetEnv
    from jaxcontract.envs.capacity import CapacityEnv as CapacityEnv
    from jaxcontract.envs.competition import CompetitionEnv as CompetitionEnv
    from jaxcontract.envs.competition import CompetitionParams as CompetitionParams
    from jaxcontract.envs.contract import ContractEnv as ContractEnv
    from jaxcontract.envs.contract import EnvParams as EnvParams
    from jaxcontract.envs.enrolment import EnrolmentEnv as EnrolmentEnv
    from jaxcontract.envs.enrolment_budget import EnrolmentBudgetEnv as EnrolmentBudgetEnv
    from jaxcontract.evaluation.by_size import evaluate_by_size as evaluate_by_size
    from jaxcontract.evaluation.evaluate import evaluate as evaluate
    from jaxcontract.evaluation.report import Report as Report
    from jaxcontract.evaluation.states import unseen_states as unseen_states
    from jaxcontract.export.artifact import export_policy as export_policy
    from jaxcontract.export.exported_policy import ExportedPolicy as ExportedPolicy
    from jaxcontract.export.exported_policy import load_exported as load_exported
    from jaxcontract.export.numpy_policy import NumpyPolicy as NumpyPolicy
    from jaxcontract.export.numpy_policy import load_numpy_policy as load_numpy_policy
    from jaxcontract.learning.algorithms.gradient.gradient import GradientConfig as GradientConfig
    from jaxcontract.learning.algorithms.ppo.ppo import PPOConfig as PPOConfig
    from jaxcontract.learning.algorithms.sac.sac import SACConfig as SACConfig
    from jaxcontract.learning.config import LearnerConfig as LearnerConfig
    from jaxcontract.learning.networks.deep_sets import DeepSets as DeepSets
    from jaxcontract.learning.networks.mlp import MLP as MLP
    from jaxcontract.learning.policies.diffusion import Diffusion as Diffusion
    from jaxcontract.learning.policies.gaussian import Gaussian as Gaussian
    from jaxcontract.learning.policies.mixture import Mixture as Mixture
    from jaxcontract.learning.policies.network_policy import NetworkPolicy as NetworkPolicy
    from jaxcontract.learning.train import train as train
    from jaxcontract.learning.train_state import TrainState as TrainState
    from jaxcontract.mechanism.capacity import capacity_distribution as capacity_distribution
    from jaxcontract.mechanism.capacity import capacity_exploitability as capacity_exploitability
    from jaxcontract.mechanism.capacity import capacity_payments as capacity_payments
    from jaxcontract.mechanism.capacity import capacity_payoff as capacity_payoff
    from jaxcontract.mechanism.competition import Equilibria as Equilibria
    from jaxcontract.mechanism.competition import compare_equilibria as compare_equilibria
    from jaxcontract.mechanism.competition import competition_utilities as competition_utilities
    from jaxcontract.mechanism.competition import device_welfare as device_welfare
    from jaxcontract.mechanism.competition import equilibrium_contracts as equilibrium_contracts
    from jaxcontract.mechanism.competition import exploitability as exploitability
    from jaxcontract.mechanism.competition import joint_profit_contracts as joint_profit_contracts
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
    from jaxcontract.mechanism.network_states import NetworkDistribution as NetworkDistribution
    from jaxcontract.mechanism.network_states import observe as observe
    from jaxcontract.mechanism.network_states import printed_states as printed_states
    from jaxcontract.mechanism.network_states import sample_network as sample_network
    from jaxcontract.mechanism.optimum import (
        complete_information_contract as complete_information_contract,
    )
    from jaxcontract.mechanism.optimum import optimal_contract as optimal_contract
    from jaxcontract.mechanism.optimum import pooled_contract as pooled_contract
    from jaxcontract.mechanism.participation import BestResponse as BestResponse
    from jaxcontract.mechanism.participation import best_response as best_response
    from jaxcontract.mechanism.participation import participation as participation
    from jaxcontract.mechanism.participation import participation_contract as participation_contract
    from jaxcontract.mechanism.participation import participation_utility as participation_utility
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
    from jaxcontract.mechanism.simulation import simulate_market as simulate_market
    from jaxcontract.mechanism.simulation import simulate_requests as simulate_requests
    from jaxcontract.mechanism.taste_market import TasteMarket as TasteMarket
    from jaxcontract.mechanism.taste_market import simulate_competition as simulate_competition
    from jaxcontract.mechanism.varied_types import VariedTypes as VariedTypes
    from jaxcontract.mechanism.varied_types import pad_network as pad_network
    from jaxcontract.storage.policies import load_env as load_env
    from jaxcontract.storage.policies import load_policy as load_policy


def _homes() -> dict[str, str]:
    """The module of each public name, read where type checkers read it: in the imports above."""
    source = importlib.util.find_spec(__name__).loader.get_source(__name__)  # type: ignore[union-attr]
    imports = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)]
    return {
        alias.name: node.module
        for node in imports
        if node.module and node.module.startswith("jaxcontract.")
        for alias in node.names
    }


_HOMES = _homes()

__all__ = sorted(_HOMES)
__version__ = "0.3.0"


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'jaxcontract' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])

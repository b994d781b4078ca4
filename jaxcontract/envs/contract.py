"""The contract game as a Markov decision process: Section IV-A, (11) to (13), in gymnax's shape."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcontract.core.fields import ByValue, concrete, documented, refuse
from jaxcontract.core.pytree import register
from jaxcontract.core.spaces import Box
from jaxcontract.envs.config import EnvNumbers, EnvOptions
from jaxcontract.mechanism.effort import check_shape
from jaxcontract.mechanism.feasible import feasible_contract
from jaxcontract.mechanism.incentives import (
    Certificate,
    certify,
    extended_centred_utility,
    station_utility,
)
from jaxcontract.mechanism.networks import (
    NetworkDistribution,
    check_distribution,
    corners,
    observation_bounds,
    observe,
    sample_network,
)
from jaxcontract.mechanism.records import Contract, NetworkState, Numbers, System, check_kind, floats
from jaxcontract.mechanism.rounds import check_rank, check_state, check_system, put_rounds_last, unchecked
from jaxcontract.mechanism.validation import check_quality


@register
@documented
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class EnvParams(EnvNumbers):
    """Everything numeric about the game; all traced, so a sweep over it is a `vmap`.

    system:       the deployment
    distribution: the law of its network states, with as many types as the env

    Raises:
        ValueError: naming the field, its value and what is allowed; how the system's own quality or
            effort cannot be screened (`check_shape`, at the corners of the distribution); or that no network
            of the distribution has a contract with a quality of data.
    """

    system: System = dataclasses.field(default_factory=System)
    distribution: NetworkDistribution = dataclasses.field(default_factory=NetworkDistribution)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, kind in (("system", System), ("distribution", NetworkDistribution)):
            given = getattr(self, name)
            if not isinstance(given, kind):
                raise refuse("EnvParams", name, given, f"a {kind.__name__}")
        if any(concrete(leaf) is None for leaf in jax.tree.leaves((self.system, self.distribution))):
            return
        if self.system.brings_its_own:
            for state in corners(self.distribution):
                check_shape(self.system, state)
        else:
            law = self.distribution
            check_quality(self.system, np.max(law.aoi_range), np.max(law.latency_range))


def check_params(params: Any) -> None:
    """Raises ValueError, in one line, when these are no numbers of a game, or those of several games."""
    check_kind("params", params, EnvParams)
    for field in dataclasses.fields(EnvNumbers):
        check_rank(f"EnvParams.{field.name}", getattr(params, field.name), 0)
    check_system(params.system)
    check_distribution(params.distribution)


@register
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class EnvState(ByValue):
    """What the next step needs: the network's state and how many rounds have been played."""

    network: NetworkState
    round: jax.Array


@jax.tree_util.register_static
@documented
@dataclasses.dataclass(frozen=True, kw_only=True)
class ContractEnv(EnvOptions):
    """A base station offers one contract a round and earns its utility; every round is a new network.

    Observation: [4 + 2K], s = [M, K, Ā_max, D̄_max, Q_1 … Q_K, φ_1 … φ_K]  (11).
    Action: [2K]. `raw`: (f_1 … f_K, r_1 … r_K), a Box [0, 1]  (12). `feasible`: any vector of
        R^{2K}, which `feasible_contract` makes a contract that satisfies IR and IC.
    Reward: `paper`: U_B, or U_p when the contract is infeasible  (13). `centred`:
        `extended_centred_utility` less `violation_price` times the violations, which has the same best
        contract, a fraction of the noise, and a slope outside the feasible set.
    Info, in every mode: `contract`, `paper_reward`, `feasible`, and gymnax's `terminated`,
        `truncated`, `final_observation`.
    Episode: Z rounds, then truncation, never termination. The next network does not depend on the
        action, so the game goes on with a fresh draw: a reset costs nothing.

    `reset` and `step` are those of gymnax 1.x, for one environment, to be `vmap`ped over keys. Learners play
    many at once by what `rounds_last` returns, which is several times faster.

    Raises:
        ValueError: naming the field, its value and what is allowed.

    >>> env = ContractEnv()
    >>> observation, state = env.reset(jax.random.key(0), env.default_params)
    >>> observation.shape, env.action_space(env.default_params).shape
    ((8,), (4,))
    """

    @property
    def name(self) -> str:
        return "Contract-v0"

    @property
    def default_params(self) -> EnvParams:
        """The paper's constants, with K equal bands of device types."""
        return EnvParams(distribution=NetworkDistribution.equal_bands(self.num_types))

    def reset(self, key: jax.Array, params: EnvParams | None = None) -> tuple[jax.Array, EnvState]:
        """The first round of an episode: (observation, state). The key is consumed.

        Raises:
            ValueError: when the key is none, or the params are for another number of types, or a batch.
        """
        return _begin(key, self._params(params), None)

    def step(
        self,
        key: jax.Array,
        state: EnvState,
        action: jax.Array,
        params: EnvParams | None = None,
    ) -> tuple[jax.Array, EnvState, jax.Array, jax.Array, jax.Array, dict[str, Any]]:
        """Play one round: (observation, state, reward, terminated, truncated, info). The key is consumed.

        Raises:
            ValueError: when the action has another length, or one of the arguments is a batch.
        """
        params = self._params(params)
        check_rank("EnvState.round", state.round, 0)
        contract = self.contract(state.network, action, params)
        return _play(self.reward, key, state, contract, params)

    def rounds_last(self) -> "RoundsLastContractEnv | None":
        """The same game for many rounds at once; None of a subclass whose rules are not known here."""
        cls = type(self)
        ours = all(getattr(cls, name) is getattr(ContractEnv, name) for name in ("reset", "step", "contract"))
        return RoundsLastContractEnv(env=self) if ours else None

    def contract(self, network: NetworkState, action: Numbers, params: EnvParams | None = None) -> Contract:
        """The contract that an action [2K] stands for in a network state.

        Raises:
            ValueError: when the action has another length, or the state or the action is a batch.
        """
        params, action = self._params(params), floats(action, self.name, "action")
        check_state(network)
        check_rank(f"{self.name}.action", action, 1)
        self._check_length(action)
        return _contract(self.actions, network, action, params)

    def action_space(self, params: EnvParams | None = None) -> Box:
        """[2K]: the unit box (`raw`) or all of R^{2K} (`feasible`)."""
        del params
        low, high = (0.0, 1.0) if self.actions == "raw" else (-jnp.inf, jnp.inf)
        return Box(low, high, (2 * self.num_types,))

    def observation_space(self, params: EnvParams | None = None) -> Box:
        """[4 + 2K], bounded by the distribution of network states."""
        params = self._params(params)
        low, high = observation_bounds(params.system, params.distribution)
        return Box(low, high, (4 + 2 * self.num_types,))

    def _params(self, params: EnvParams | None) -> EnvParams:
        if params is None:
            return self.default_params
        check_params(params)
        if params.distribution.num_types != self.num_types:
            allowed = f"{params.distribution.num_types}, the bands of params.distribution.type_edges"
            raise refuse("ContractEnv", "num_types", self.num_types, allowed)
        return params

    def _check_length(self, action: jax.Array) -> None:
        if jnp.shape(action)[0] != self.num_actions:
            shape = jnp.shape(action)
            raise ValueError(f"{self.name}: an action of shape {shape}: must be ({self.num_actions},)")

    @property
    def num_actions(self) -> int:
        """The length of an action, 2K."""
        return 2 * self.num_types


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True, kw_only=True)
class RoundsLastContractEnv:
    """A `ContractEnv` that plays B rounds from one key, all shapes [..., B]: a `RoundsLastEnvironment`."""

    env: ContractEnv

    def reset(self, key: jax.Array, params: EnvParams, count: int) -> tuple[jax.Array, EnvState]:
        """Begin B = `count` episodes: (observation [4 + 2K, B], state). The key is consumed."""
        return _begin(key, self.env._params(params), count)

    def step(
        self, key: jax.Array, state: EnvState, action: jax.Array, params: EnvParams
    ) -> tuple[jax.Array, EnvState, jax.Array, jax.Array, jax.Array, dict[str, Any]]:
        """Play one round of each, for actions [2K, B]. The key is consumed.

        Raises:
            ValueError: when the actions have another length, or are not [2K, B].
        """
        params = self.env._params(params)
        check_rank(f"{self.env.name}.action", action, 2)
        self.env._check_length(action)
        contract = _contract(self.env.actions, state.network, action, params)
        return _play(self.env.reward, key, state, contract, params)


# The game's rules, for one round or for rounds side by side, [..., B].


def _begin(key: jax.Array, params: EnvParams, count: int | None) -> tuple[jax.Array, EnvState]:
    network = _draw(key, params, count)
    batch = () if count is None else (count,)
    observation = unchecked(observe)(params.system, network)
    return observation, EnvState(network=network, round=jnp.zeros(batch, int))


def _draw(key: jax.Array, params: EnvParams, count: int | None) -> NetworkState:
    network = sample_network(key, params.distribution, count)
    return network if count is None else put_rounds_last(network)


def _contract(actions: str, network: NetworkState, action: jax.Array, params: EnvParams) -> Contract:
    """The contract that an action stands for, where actions are `raw` or `feasible`."""
    if actions == "feasible":
        return unchecked(feasible_contract)(params.system, network, action)
    frequency, payment = jnp.split(action, 2)
    return Contract(frequency=frequency, payment=payment)


def _play(
    paid: str, key: jax.Array, state: EnvState, contract: Contract, params: EnvParams
) -> tuple[jax.Array, EnvState, jax.Array, jax.Array, jax.Array, dict[str, Any]]:
    """What `step` returns when a contract is offered. paid: the reward, `paper` or `centred`."""
    system, network = params.system, state.network
    certificate = unchecked(certify)(system, network, contract, params.tolerance, params.safety_margin)
    paper_reward = _paper_reward(network, contract, certificate, params)
    reward = paper_reward if paid == "paper" else _centred_reward(network, contract, certificate, params)

    network = _draw(key, params, state.round.shape[0] if state.round.ndim else None)
    observation = unchecked(observe)(system, network)
    rounds = state.round + 1
    truncated = rounds >= params.episode_length
    terminated = jnp.zeros_like(truncated)
    info = {
        "contract": contract,
        "paper_reward": paper_reward,
        "feasible": certificate.feasible,
        "terminated": terminated,
        "truncated": truncated,
        "final_observation": observation,
    }
    state = EnvState(network=network, round=jnp.where(truncated, 0, rounds))
    return observation, state, reward, terminated, truncated, info


def _paper_reward(
    network: NetworkState, contract: Contract, certificate: Certificate, params: EnvParams
) -> jax.Array:
    """R = U_B if (8) and (9) hold, else U_p  (13)."""
    utility = unchecked(station_utility)(params.system, network, contract)
    return jnp.where(certificate.feasible, utility, params.penalty)


def _centred_reward(
    network: NetworkState, contract: Contract, certificate: Certificate, params: EnvParams
) -> jax.Array:
    """The centred utility extended to all of R^{2K}, less a price for what the constraints are missed by.

    f is brought into its bounds and ln W goes on as a straight line where there is no quality to speak
    of, so that the reward is finite with a slope everywhere. The price of a violation, per device, is
    well above 1, the most that missing a constraint by a unit of payment can save: what is best remains
    so. A slack below the safety margin counts as missed by the difference, so that a learner whose
    actions are a little off its aim still lands inside.
    """
    system = params.system
    inside = jnp.clip(contract.frequency, system.min_frequency, system.max_frequency)
    moved = Contract(frequency=inside, payment=contract.payment)
    utility = extended_centred_utility(system, network, moved)
    return utility - params.violation_price * system.num_devices * certificate.shortfall

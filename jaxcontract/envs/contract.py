"""The contract game as a Markov decision process: Section IV-A, (11) to (13), in gymnax's shape."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from jaxcontract.core.fields import documented
from jaxcontract.core.item_layout import ItemLayout
from jaxcontract.core.spaces import Box
from jaxcontract.envs.config import ContractGame, EnvNumbers, EnvOptions
from jaxcontract.envs.params import EnvParams as EnvParams
from jaxcontract.envs.params import check_params, check_types
from jaxcontract.envs.rules import EnvState as EnvState
from jaxcontract.envs.rules import begin, make_contract, play
from jaxcontract.envs.scale import Scale, fit_scale
from jaxcontract.mechanism.network_law import HIGHEST_TYPE, LOWEST_TYPE, NetworkLaw
from jaxcontract.mechanism.network_states import NetworkDistribution, observation_bounds
from jaxcontract.mechanism.records import Contract, NetworkState, Numbers, floats
from jaxcontract.mechanism.rounds import check_rank, check_state
from jaxcontract.mechanism.varied_types import VariedTypes


@jax.tree_util.register_static
@documented
@dataclasses.dataclass(frozen=True, kw_only=True)
class ContractEnv(EnvOptions):
    """A base station offers one contract a round and earns its utility; every round is a new network.

    Observation: [4 + 2K], s = [M, K, Ā_max, D̄_max, Q_1 … Q_K, φ_1 … φ_K]  (11).
    Action: [2K]. `raw`: (f_1 … f_K, r_1 … r_K), a Box [0, 1]  (12), payments in the scale's `payment_unit`.
        `feasible`: any vector of R^{2K}, which `feasible_contract` makes a contract that satisfies IR and IC.
    Reward: `paper`: U_B, or U_p when the contract is infeasible  (13). `centred`:
        `extended_centred_utility` less `violation_price` times the violations, which has the same best
        contract, a fraction of the noise, and a slope outside the feasible set; in the scale's `reward_unit`.
    Info, in every mode: `contract`, `paper_reward`, `feasible`, and gymnax's `terminated`,
        `truncated`, `final_observation`.
    Number of types: with `fewest_types` it is drawn anew with each network, and K above is `num_types`, the
        places of every network. Those behind the last type have Q = 0 and repeat its φ: so observations say
        which are empty. What an action says of these changes nothing, and their items repeat the last one.
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
        return EnvParams(distribution=make_distribution(self, NetworkLaw()))

    def reset(self, key: jax.Array, params: EnvParams | None = None) -> tuple[jax.Array, EnvState]:
        """The first round of an episode: (observation, state). The key is consumed.

        Raises:
            ValueError: when the key is none, or the params are for another number of types, or a batch.
        """
        return begin(key, self._params(params), None)

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
        return play(self.reward, key, state, contract, params)

    def rounds_last(self) -> "RoundsLastContractEnv | None":
        """The same game for many rounds at once; None of a subclass whose rules are not known here."""
        cls = type(self)
        ours = all(getattr(cls, name) is getattr(ContractEnv, name) for name in ("reset", "step", "contract"))
        return RoundsLastContractEnv(env=self) if ours else None

    def item_layout(self) -> ItemLayout:
        """The K types as items, of weight Q_k and feature φ_k; M, K, Ā_max and D̄_max are of all.

        Actions lie in the same way: K logits (or f_k), then r_1 − f_1/φ_1 and K − 1 shares (or r_k).
        """
        return ItemLayout(num_shared=4, num_items=self.num_types, weighted=True)

    def contract(self, network: NetworkState, action: Numbers, params: EnvParams | None = None) -> Contract:
        """The contract that an action [2K] stands for in a network state.

        Raises:
            ValueError: when the action has another length, or the state or the action is a batch.
        """
        params, action = self._params(params), floats(action, self.name, "action")
        check_state(network)
        check_rank(f"{self.name}.action", action, 1)
        self._check_length(action)
        return make_contract(self.map_name, network, action, params)

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
        check_types(self, params)
        return params

    def _check_length(self, action: jax.Array) -> None:
        if jnp.shape(action)[0] != self.num_actions:
            shape = jnp.shape(action)
            raise ValueError(f"{self.name}: an action of shape {shape}: must be ({self.num_actions},)")

    @property
    def map_name(self) -> str:
        """How an action becomes a contract, for `make_contract`."""
        return "padded" if self.fewest_types else self.actions

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
        return begin(key, self.env._params(params), count)

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
        contract = make_contract(self.env.map_name, state.network, action, params)
        return play(self.env.reward, key, state, contract, params)


def make_env(game: ContractGame) -> tuple[ContractEnv, EnvParams]:
    """The environment and its parameters that a game describes."""

    def fields_of(record: type) -> dict[str, Any]:
        return {field.name: getattr(game.env, field.name) for field in dataclasses.fields(record)}

    env = ContractEnv(**fields_of(EnvOptions))
    distribution = make_distribution(env, game.law)
    scale = fit_scale(game.problem, distribution) if game.env.scaling == "law" else Scale()
    numbers = fields_of(EnvNumbers)
    return env, EnvParams(system=game.problem, distribution=distribution, scale=scale, **numbers)


def make_distribution(options: EnvOptions, law: NetworkLaw) -> NetworkDistribution:
    """The distribution of a law's networks, of the numbers of types that there are."""
    same = {name: getattr(law, name) for name in ("aoi_range", "latency_range", "concentration")}
    if options.fewest_types:
        return VariedTypes(type_edges=(LOWEST_TYPE, HIGHEST_TYPE), sizes=options.sizes, **same)
    return NetworkDistribution(type_edges=law.edges(options.num_types), **same)

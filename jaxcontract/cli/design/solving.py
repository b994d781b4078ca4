"""Contracts for networks: chosen, certified and compared, a block of networks by one compiled program."""

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxcontract as jc
from jaxcontract.cli.input_files.network_rows import CONSTANTS, STATE, TYPES, NetworkRows
from jaxcontract.mechanism.validation import TOLERANCE

EXACT_TOLERANCE = 1e-9  # of contracts made in float64
LEARNED_TOLERANCE = TOLERANCE  # of those made in float32
MOVED = 1e-9  # of f, by which a bound must move it to count as binding
LARGEST_TABLE = 200  # types up to which all K² constraints of (9) are looked at one by one

Scheme = Callable[[jc.System, jc.NetworkState], jc.Contract]


class Solver:
    """Gives every network of a file its contract; the first block says how many it takes at once.

    contracts: what chooses them, `Exact` or `Learned`
    """

    def __init__(self, contracts: "Exact | Learned") -> None:
        self.contracts = contracts
        self._size = 0

    def __call__(self, networks: NetworkRows) -> dict[str, np.ndarray]:
        """What becomes of each network, all in float64.

        By type, [n, K]: frequency, payment; rent, u[k, k]; complete_frequency, complete_payment;
        has_quality; binding, −1 where min_frequency raises f_k, 1 where max_frequency lowers it, else 0.
        By network, [n]: feasible; max_violation; station_utility; optimum, complete_information and
        pooled, the U_B of those contracts; regret; device_utility, Σ Q_k u[k, k]; any_quality, whether any
        contract has a quality of data; greatest_worth, β QoD at the best f of a device that costs nothing;
        utility_without_bounds, with f bounded by the model alone.
        """
        count = len(networks.rows)
        self._size = self._size or count
        rows = np.minimum(np.arange(self._size), count - 1)  # the last network fills up the block
        fields = {name: values[rows] for name, values in networks.fields.items()}
        with jax.enable_x64(True):
            system, state = make_records(fields)
        contract = self.contracts.choose(system, state)
        free = self.contracts.choose_freely(fields, contract)
        with jax.enable_x64(True):
            contract, free = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), (contract, free))
            found = jax.device_get(_measure(system, state, contract, free, self.contracts.tolerance))
        found["binding"] = self.contracts.find_binding(fields, contract, free)
        return {name: values[:count] for name, values in found.items()}


def _widen_bounds(fields: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The bounds on f that no network may exceed, for all of them."""
    ranges = {name: CONSTANTS[name].metadata["allowed"] for name in ("min_frequency", "max_frequency")}
    ends = {"min_frequency": ranges["min_frequency"].low, "max_frequency": ranges["max_frequency"].high}
    return {name: np.full_like(fields[name], end) for name, end in ends.items()}


def make_records(fields: Mapping[str, np.ndarray]) -> tuple[jc.System, jc.NetworkState]:
    """Make the package's records of networks."""
    system = jc.System(**{name: fields[name] for name in CONSTANTS})
    return system, jc.NetworkState(**{name: fields[name] for name in (*STATE, *TYPES)})


@dataclasses.dataclass(frozen=True)
class Exact:
    """Chooses by a scheme such as `optimal_contract`, in float64.

    tolerance: what a constraint may be missed by in a contract that counts as feasible, units of payment;
        that part of the largest payment where it is above 1
    """

    scheme: Scheme
    tolerance: float = EXACT_TOLERANCE
    params: None = None  # nothing was trained

    @classmethod
    def from_name(cls, name: str) -> "Exact":
        """`optimum` or `whole cycles`."""
        return cls({"optimum": jc.optimal_contract, "whole cycles": jc.whole_cycle_contract}[name])

    def choose(self, system: jc.System, state: jc.NetworkState) -> jc.Contract:
        """Contracts [n, K] for systems [n] and states [n, K]."""
        with jax.enable_x64(True):
            contract: jc.Contract = _apply_scheme(self.scheme, system, state)
        return contract

    def choose_freely(self, fields: Mapping[str, np.ndarray], contract: jc.Contract) -> jc.Contract:
        """Contracts [n, K] with the widest bounds on f that there may be."""
        del contract  # the one with the bounds says nothing of the one without them
        with jax.enable_x64(True):
            system, state = make_records({**fields, **_widen_bounds(fields)})
        return self.choose(system, state)

    def find_binding(
        self, fields: Mapping[str, np.ndarray], contract: jc.Contract, free: jc.Contract
    ) -> np.ndarray:
        """Which bound on f holds each item where it would not stand without it: −1, 0 or 1. [n, K]"""
        del fields  # who has both contracts need not ask where the bounds are
        moved = np.asarray(contract.frequency - free.frequency)
        sides: np.ndarray = np.where(np.abs(moved) > MOVED * contract.frequency, -np.sign(moved), 0)
        return sides.astype(int)


@dataclasses.dataclass(frozen=True)
class Learned:
    """A trained policy with the game that it was trained in."""

    policy: jc.Policy
    env: jc.ContractEnv
    params: jc.EnvParams
    tolerance: float = LEARNED_TOLERANCE

    @classmethod
    def load(cls, directory: Path, num_types: int) -> "Learned":
        """Raises ValueError when there is none, or none for so many types."""
        env, params = jc.load_env(directory)
        if not isinstance(env, jc.ContractEnv):
            played = type(env).__name__
            raise ValueError(f"--policy {directory}: was trained in {played}, which has no such contracts")
        if not env.takes(num_types):
            many = f"{env.fewest_types} to {env.num_types}" if env.fewest_types else f"{env.num_types}"
            raise ValueError(f"--policy {directory}: is for {many} types, the networks have {num_types}")
        return cls(jc.load_policy(directory), env, params)

    def choose(self, system: jc.System, state: jc.NetworkState) -> jc.Contract:
        """Contracts [n, K] in the precision that the policy was trained in."""
        dtype = jnp.result_type(float)
        size, places = state.type_probs.shape[-1], self.env.num_types
        system, state = jax.tree.map(lambda leaf: np.asarray(leaf, dtype), (system, state))
        state = jc.pad_network(state, places) if size < places else state
        contract: jc.Contract = _apply_policy(self.env, self.params, self.policy, system, state)
        return jax.tree.map(lambda items: items[:, :size], contract)

    def choose_freely(self, fields: Mapping[str, np.ndarray], contract: jc.Contract) -> jc.Contract:
        """The same contracts: what a policy would do in a game of other bounds is not known."""
        del fields
        return contract

    def find_binding(
        self, fields: Mapping[str, np.ndarray], contract: jc.Contract, free: jc.Contract
    ) -> np.ndarray:
        """Which bound on f each item stands at: −1, 0 or 1. [n, K]"""
        del free
        low, high = (fields[name][:, None] for name in ("min_frequency", "max_frequency"))
        at_low, at_high = (
            np.isclose(contract.frequency, bound, rtol=LEARNED_TOLERANCE, atol=0) for bound in (low, high)
        )
        sides: np.ndarray = np.where(at_low, -1, np.where(at_high, 1, 0))
        return sides


def find_least_slacks(
    networks: NetworkRows, found: Mapping[str, np.ndarray], index: int
) -> tuple[float, float]:
    """The least slack of IR (8), and of IC (9) between different types; NaN of too many types."""
    if found["frequency"].shape[1] > LARGEST_TABLE:
        return float("nan"), float("nan")
    with jax.enable_x64(True):
        system, state = make_records({name: values[index] for name, values in networks.fields.items()})
        contract = jc.Contract(frequency=found["frequency"][index], payment=found["payment"][index])
        certificate = jax.device_get(jax.jit(jc.certify)(system, state, contract))
    others = certificate.ic_slack[~np.eye(len(certificate.ir_slack), dtype=bool)]
    return float(np.min(certificate.ir_slack)), float(np.min(others, initial=np.inf))


@partial(jax.jit, static_argnums=0)
def _apply_scheme(scheme: Any, systems: jc.System, states: jc.NetworkState) -> jc.Contract:
    contracts: jc.Contract = jax.vmap(scheme)(systems, states)
    return contracts


@partial(jax.jit, static_argnums=0)
def _apply_policy(env: jc.ContractEnv, params: Any, policy: Any, systems: Any, states: Any) -> jc.Contract:
    def one(system, state):
        return env.contract(state, policy(jc.observe(system, state)), params.replace(system=system))

    contracts: jc.Contract = jax.vmap(one)(systems, states)
    return contracts


@jax.jit
def _measure(systems: Any, states: Any, contracts: Any, free: Any, tolerance: float) -> dict[str, jax.Array]:
    def one(system, state, contract, free):
        certificate = jc.certify(system, state, contract, tolerance)
        # Payments of millions are not known to 1e-9, but to so many digits.
        allowed = tolerance * jnp.maximum(1.0, jnp.max(contract.payment))
        complete = jc.complete_information_contract(system, state)
        utility = jc.station_utility(system, state, contract)
        optimum = jc.station_utility(system, state, jc.optimal_contract(system, state))
        # W (3) is greatest there; if it is not positive there, it is nowhere.
        best = jnp.clip(jnp.sqrt(system.aoi_preference / 2), system.min_frequency, system.max_frequency)
        return {
            "frequency": contract.frequency,
            "payment": contract.payment,
            "rent": certificate.ir_slack,
            "complete_frequency": complete.frequency,
            "complete_payment": complete.payment,
            "feasible": jnp.all(certificate.domain) & (certificate.max_violation <= allowed),
            "tolerance": allowed,
            "max_violation": certificate.max_violation,
            "station_utility": utility,
            "optimum": optimum,
            "regret": optimum - utility,
            "complete_information": jc.station_utility(system, state, complete),
            "pooled": jc.station_utility(system, state, jc.pooled_contract(system, state)),
            "device_utility": jnp.sum(state.type_probs * certificate.ir_slack),
            "has_quality": jnp.isfinite(jc.quality_of_data(system, state, contract.frequency)),
            "any_quality": jnp.isfinite(jc.quality_of_data(system, state, best)),
            "greatest_worth": system.unit_profit * jc.quality_of_data(system, state, best),
            "utility_without_bounds": jc.station_utility(system, state, free),
        }

    return jax.vmap(one)(systems, states, contracts, free)

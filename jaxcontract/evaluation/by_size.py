"""One policy of networks of various sizes, measured for each number of types by itself."""

from collections.abc import Sequence
from typing import Any

from jaxcontract.core.fields import refuse
from jaxcontract.envs.contract import ContractEnv
from jaxcontract.envs.params import EnvParams
from jaxcontract.evaluation.evaluate import evaluate
from jaxcontract.evaluation.report import Report
from jaxcontract.evaluation.states import unseen_states
from jaxcontract.mechanism.varied_types import with_types

STATES = 2000  # unseen networks of each number of types


def evaluate_by_size(
    policy: Any,
    env: ContractEnv,
    params: EnvParams | None = None,
    *,
    sizes: Sequence[int] | None = None,
    num_states: int = STATES,
) -> dict[int, Report]:
    """Measure a policy on unseen networks of each number of types: {K: report}.

    env, params: of networks of various sizes, as `evaluate` takes them
    sizes:       the Ks, from the fewest types to the most; by default those of `find_shown_sizes`
    num_states:  networks of each

    Raises:
        ValueError: when the environment has one number of types, or a K lies outside of its range.
    """
    params = env.default_params if params is None else params
    if not env.fewest_types:
        raise refuse("evaluate_by_size", "env", f"of {env.num_types} types", "of various numbers of types")
    found = {}
    for size in find_shown_sizes(env) if sizes is None else sizes:
        if not env.fewest_types <= size <= env.num_types:
            raise refuse("evaluate_by_size", "sizes", size, f"in [{env.fewest_types}, {env.num_types}]")
        states = unseen_states(with_types(params.distribution, size), num_states)
        found[size] = evaluate(policy, env, params, states=states)
    return found


def find_shown_sizes(env: ContractEnv) -> list[int]:
    """The fewest types, powers of two, the most; those that were left out, and their neighbours."""
    powers = {2**power for power in range(env.num_types.bit_length())}
    beside = {size + step for size in env.leave_out_types for step in (-1, 0, 1)}
    shown = powers | beside | {env.fewest_types, env.num_types}
    return sorted(size for size in shown if env.fewest_types <= size <= env.num_types)

"""What the policies of a run are measured by, on which states: the same in every process."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from jaxcontract.cli.train.request import Request
from jaxcontract.evaluation.states import CURVE_SEED, TEST_SEED


def measures_of(request: Request) -> Mapping[str, Callable[[int, Any], Any]]:
    """What a run's policies are measured by as it goes, and at its end."""

    @cache
    def reference() -> Any:
        return request.make_reference()

    @cache
    def states(count: int, seed: int) -> Any:
        return reference().test_states(count, seed)

    return {
        "curve": lambda _, policy: reference().evaluate(policy, states(request.curve_states, CURVE_SEED)),
        "test": lambda _, policy: reference().evaluate(policy, states(request.eval_states, TEST_SEED)),
    }

"""The short form of every row of `tests/faults.py`."""

import pytest

import faults

# The cost means nothing while other tests keep the cores busy; `test_signals.py` sends the signals, and
# `test_several_processes.py` kills.
LONG = {"cost", "signals", "sigkill"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] * (name in LONG)) for name in faults.ROWS]
)
def test_faults_are_survived(name, pytestconfig):
    row = faults.ROWS[name]
    outcome = row.trial(row.trials if pytestconfig.getoption("--long") else row.short)
    assert outcome.passed, f"{outcome.good} of {outcome.trials}: {outcome.note}"

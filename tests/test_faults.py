"""The short form of every row of `tests/faults.py`."""

import faults
import pytest


@pytest.mark.parametrize("name", faults.ROWS)
def test_faults_are_survived(name, pytestconfig):
    row = faults.ROWS[name]
    outcome = row.trial(row.trials if pytestconfig.getoption("--long") else row.short)
    assert outcome.passed, f"{outcome.good} of {outcome.trials}: {outcome.note}"

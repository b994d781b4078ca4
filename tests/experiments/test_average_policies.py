"""The average of past policies: what a law leaves, against SciPy's, and a training of a few updates."""

import json

import numpy as np
import pytest

import average_policies
from oracles import mixed_policies as laws


@pytest.mark.parametrize("capacity", [0.6, 0.9])
def test_a_law_given_by_its_density_leaves_what_its_chances_leave(capacity):
    edges = np.linspace(0.0, 1.0, average_policies.RENTS)
    parameters = (0.0, 0.5, -0.7, 0.8, 0.0, -0.5)
    density = np.diff(laws.sigmoids(parameters, edges)) / np.diff(edges)
    found = average_policies.find_gain(density, edges, capacity)
    assert found == pytest.approx(laws.gain(laws.sigmoids(parameters), capacity), abs=2e-3)


def test_a_share_that_is_none_is_refused_in_one_line(capsys):
    with pytest.raises(SystemExit) as stopped:
        average_policies.parse(["--capacities", "1"])
    assert stopped.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.long
def test_policies_of_the_last_half_are_averaged(tmp_path):
    out = tmp_path / "average.json"
    given = ["--capacities", "0.75", "--seeds", "2", "--num-updates", "60", "--out", str(out)]
    assert average_policies.main(given) == 0
    (row,) = json.loads(out.read_text())["rows"]
    assert row["policies"] == 2  # after updates 50 and 60
    for name in ("last", "average"):
        assert all(0.05 < gain < 0.3 for gain in row[name])

"""The benchmark of the exact optimum, at a toy size."""

import importlib
import json
import pathlib

import numpy as np
import pytest

import jaxcontract as jc
import solver
from convex import truth_rows

TOY = "--states 16 --repeats 2 --peer-states 2 --peer-seconds 60".split()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("solver")
    files = ["--json", str(out / "figures.json"), "--plot", str(out / "time.png")]
    return solver.main(["--num-types", "2,5", *TOY, *files]), out


def test_all_solvers_find_the_same_contracts(finished):
    result, _ = finished
    for row in result["sizes"]:
        assert len(row["peers"]) == len(solver.PEERS)
        for figures in row["peers"].values():
            assert figures["solved"] == figures["states"] == 2
            assert figures["float64"]["difference"]["utility"] < 1e-7
            assert figures["float32"]["difference"]["utility"] < 1e-5
            assert figures["float64"]["difference"]["frequency"] < 1e-2
            assert figures["float64"]["times_faster"] > 0


def test_the_files_hold_the_figures_and_where_they_come_from(finished):
    result, out = finished
    written = json.loads((out / "figures.json").read_text("utf-8"))
    assert written["machine"]["cores"] >= 1
    assert [row["num_types"] for row in written["sizes"]] == [2, 5]
    assert written["exponents"] == pytest.approx(result["exponents"])
    for row in written["sizes"]:
        for figures in row["ours"].values():
            rate = figures["states_per_second"]
            assert 0 < rate["min"] <= rate["median"] <= rate["max"]
            assert figures["compile_seconds"] > 0
    assert (out / "time.png").read_bytes().startswith(b"\x89PNG")


def test_every_figure_says_which_constraints_the_solver_was_given(finished):
    _, out = finished
    committed = json.loads(
        (pathlib.Path(solver.__file__).parent / "results" / "solver.json").read_text("utf-8")
    )
    for written in (json.loads((out / "figures.json").read_text("utf-8")), committed):
        for row in written["sizes"]:
            size = row["num_types"]
            given = {name: figures["constraints"] for name, figures in row["peers"].items()}
            expected = {
                "K²": {"form": "K²", "count": size**2},
                "2K": {"form": "2K − 1", "count": 2 * size - 1},
            }
            for name, constraints in given.items():
                assert constraints == expected["K²" if "K²" in name else "2K"]
    state = jc.NetworkState(max_aoi=1, max_latency=1, type_probs=[0.2] * 5, device_types=range(1, 6))
    for peer in solver.PEERS:
        rows = truth_rows(state, all_pairs=peer.all_pairs)
        assert len(rows) == peer.constraints(5)["count"]


def test_without_the_other_solvers_ours_is_timed_and_one_line_says_so(monkeypatch, capsys):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name != "cvxpy" and find(name))
    result = solver.main(["--num-types", "2", *TOY])
    assert list(result["sizes"][0]["peers"]) == ["SciPy SLSQP, 2K − 1"]
    assert result["exponents"].keys() == {"float32", "float64"}
    assert np.isnan(list(result["exponents"].values())).all()
    lines = capsys.readouterr().out.splitlines()
    assert sum('pip install -e ".[test]"' in line for line in lines) == 1


def test_a_peer_that_would_take_too_long_is_left_out():
    (peer, *_) = solver.PEERS
    row = {"num_types": 8, "peers": {peer.name: {"solved": 1, "seconds_per_state": {"median": 1.0}}}}
    assert solver.is_hopeful(peer, 16, [row], limit=10.0)
    assert not solver.is_hopeful(peer, 32, [row], limit=10.0)
    assert not solver.is_hopeful(solver.PEERS[1], 8, [row], limit=10.0)
    assert solver.is_hopeful(peer, 8, [], limit=10.0)


def test_durations_have_three_digits_and_a_unit():
    assert [solver.format_seconds(seconds) for seconds in (2.0, 0.01234, 5e-6, 1.5e-8)] == [
        "2 s",
        "12.3 ms",
        "5 µs",
        "15 ns",
    ]

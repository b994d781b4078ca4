"""The benchmark of best responses, at a toy size."""

import json

import pytest

import best_response


@pytest.mark.long
def test_both_find_the_same_and_the_file_says_so(tmp_path):
    sizes = ["--num-types", "2", "--states", "4", "--repeats", "2", "--peer-states", "2", "--starts", "3"]
    result = best_response.main([*sizes, "--json", str(tmp_path / "figures.json")])
    written = json.loads((tmp_path / "figures.json").read_text("utf-8"))
    assert written["machine"]["cores"] >= 1
    (row,) = result["sizes"]
    assert row["slsqp"]["found"] == row["slsqp"]["states"] == 2
    assert row["slsqp"]["ahead"] < 1e-8
    assert row["ours"]["largest_gap"] < 1e-6
    assert row["times_faster"] > row["times_one_start"] > 1

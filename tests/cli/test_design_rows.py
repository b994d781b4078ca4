"""A person's own measurements: which rows and columns count, as what, and what is said of the others."""

import csv
import gzip
import json
import random
import statistics
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from design_command import GOLDEN, HEADER, design, rows_of
from jaxcontract.cli.input_files import lines
from jaxcontract.cli.input_files.columns import Remarks
from jaxcontract.cli.input_files.cost_options import CostOptions
from jaxcontract.cli.input_files.csv_rows import CsvRows
from jaxcontract.cli.input_files.device_costs import find_device_costs
from jaxcontract.cli.input_files.network_rows import read_networks
from jaxcontract.cli.input_files.observed import read_costs
from paths import EXAMPLES

CASES = Path(__file__).parent / "cases"


def outcome(path, **options):
    """What a file of costs is read as, and what is said of it; or the line that it is refused with."""
    remarks = Remarks()
    try:
        observed = read_costs(path, remarks, CostOptions(**options))
    except ValueError as error:
        (line,) = str(error).split("\n")
        return line.removeprefix(f"{path}: ")
    costs = np.repeat(observed.costs, observed.counts).tolist()
    return costs, observed.word, "; ".join(remarks.as_list())


def written(folder, name, content):
    path = folder / name
    content = content if isinstance(content, bytes) else content.encode()
    path.write_bytes(gzip.compress(content) if name.lower().endswith(".gz") else content)
    return path


def test_milliwatts_are_read():
    costs, word, _ = outcome(CASES / "1_milliwatts.csv")
    assert (len(costs), word, costs[0], costs[-1]) == (24, "devices", 4318.9, 8551.1)
    scaled, *_ = outcome(CASES / "1_milliwatts.csv", unit_value=1e-4)
    np.testing.assert_allclose(scaled, np.multiply(costs, 1e-4))


def test_columns_that_are_not_read_may_be_called_anything():
    costs, word, said = outcome(CASES / "2_trailing_columns.csv")
    assert (len(costs), word) == (16, "devices")
    assert said == "2 columns without a name not read"


def test_a_log_counts_each_device_once():
    path = CASES / "3_log_per_device.csv"
    told = outcome(path)
    assert "column cost is missing; did you mean energy_J?" in told
    assert told.endswith("numeric columns: energy_J; name it with --cost-column")
    costs, word, said = outcome(path, cost_column="energy_J")
    assert (len(costs), word, said) == (42, "observations", "not read: device_id, timestamp")
    costs, word, said = outcome(path, cost_column="energy_J", device_column="device_id")
    assert (word, said) == (
        "devices",
        "42 observations of 6 devices, each at its mean; not read: timestamp",
    )
    of_device: dict[str, list[float]] = {}
    for row in rows_of(path):
        of_device.setdefault(row["device_id"], []).append(float(row["energy_J"]))
    np.testing.assert_allclose(costs, sorted(map(statistics.fmean, of_device.values())), rtol=1e-14)
    medians, *_ = outcome(path, cost_column="energy_J", device_column="device_id", device_cost=0.5)
    np.testing.assert_allclose(medians, sorted(map(statistics.median, of_device.values())), rtol=1e-14)


def test_gaps_and_zeros_are_counted():
    path = CASES / "4_gaps_and_zeros.csv"
    assert outcome(path) == (
        "column cost: 5 of 20 rows cannot be used: 2 zero (the first in row 5), 1 blank (row 8), 2 not a "
        "finite number (the first in row 11: 'NA'); a cost is a positive number; --skip-unusable leaves such "
        "rows out"
    )
    costs, word, said = outcome(path, skip_unusable=True)
    assert (len(costs), word) == (15, "devices")
    assert "5 of 20 rows left out: 2 zero (the first in row 5), 1 blank (row 8), 2 not a finite" in said


def test_decimal_commas_are_read():
    costs, word, said = outcome(CASES / "5_semicolon_comma.csv")
    assert (len(costs), word, min(costs), max(costs)) == (12, "devices", 0.098, 0.566)
    assert said == "cells separated by semicolons; decimal commas"


LOG = "phone,joule\na,1\na,3\nb,4\n"
READ = ([2.0, 4.0], "devices", "3 observations of 2 devices, each at its mean")
BY_NAME = {"cost_column": "joule", "device_column": "phone"}

# The name of a file, what is in it, how it is to be read; what it is read as, or a part of the refusal.
LAYOUTS = {
    "columns by name": ("c.csv", LOG, BY_NAME, READ),
    "the file's case": (
        "c.CSV",
        LOG.replace("joule", "Joule"),
        BY_NAME,
        (*READ[:2], "read Joule as joule; " + READ[2]),
    ),
    "exact case first": (
        "c.csv",
        "joule,JOULE\n1,8\n2,9\n",
        {"cost_column": "JOULE"},
        ([8, 9], "observations", "not read: joule"),
    ),
    "text, its separator found": (
        "c.txt",
        LOG.replace(",", "\t"),
        BY_NAME,
        (*READ[:2], "cells separated by tabs; " + READ[2]),
    ),
    "packed": ("c.csv.gz", LOG, BY_NAME, READ),
    "packed lines": ("c.jsonl.GZ", '{"cost": 1}\n{"cost": 2}\n', {}, ([1, 2], "observations", "")),
    "a list of numbers": ("c.json", "[0.5, 1e-3, 2]", {}, ([0.001, 0.5, 2], "observations", "")),
    "a list of objects": (
        "c.json",
        '[{"phone": 7, "joule": 1}, {"phone": "7", "joule": 3}, {"phone": 8, "joule": 4}]',
        BY_NAME,
        READ,
    ),
    "numbers on lines": ("c.jsonl", "1\n\n2.5\n", {}, ([1, 2.5], "observations", "")),
    "lines without a key": (
        "c.jsonl",
        '{"device": "a", "cost": 1}\n{"device": "b"}\n{"cost": 2}\n{"device": "d", "cost": 3}\n',
        {"skip_unusable": True},
        (
            [1, 3],
            "devices",
            "2 of 4 rows left out: 1 blank (row 2), 1 without a device (row 3: 2); "
            "1 device left out, without a usable row",
        ),
    ),
    "names twice or none": (
        "c.csv",
        "x,cost,x,,\n1,2,3,,\n1,3,3,,\n",
        {},
        ([2, 3], "observations", "2 columns without a name not read; not read: x"),
    ),
    "rows by themselves": (
        "c.csv",
        "device,cost\na,1\na,2\n",
        {"device_column": ""},
        ([1, 2], "observations", "not read: device"),
    ),
    "a quantile": (
        "c.csv",
        LOG + "a,2\n",
        {**BY_NAME, "device_cost": 1.0},
        ([3, 4], "devices", "4 observations of 2 devices, each at its quantile 1"),
    ),
    "a unit": ("c.csv", LOG, {**BY_NAME, "unit_value": 0.5}, ([1, 2], *READ[1:])),
    "one kind": (
        "c.csv",
        "cost\n-1\n-2\n3\n",
        {},
        "2 of 3 rows cannot be used: 2 negative (the first in row 2: -1)",
    ),
    "every kind": (
        "c.csv",
        "device,cost\na,1\nb,0\nc,-2\nd,\ne,inf\nf,NaN\ng,1e31\n NA ,7\nh,2\n",
        {},
        "7 of 9 rows cannot be used: 1 zero (row 3), 1 negative (row 4: -2), 1 blank (row 5), 1 infinite "
        "(row 6: 'inf'), 1 not a finite number (row 7: 'NaN'), 1 not between 1.18e-38 and 1e+30 units of "
        "payment (row 8: 1e+31), 1 without a device (row 9: 7)",
    ),
    "nothing usable": (
        "c.csv",
        "cost\n0\n",
        {"skip_unusable": True},
        "none of 1 rows is usable: 1 zero (row 2)",
    ),
    "text for a number": (
        "c.json",
        '[1, "2", null, true, 3]',
        {},
        "1 blank (row 3), 2 not a finite number (the first in row 2: '\"2\"')",
    ),
    "commas are not skipped": (
        "c.csv",
        'cost\n0.5\n"0,7"\n',
        {"skip_unusable": True},
        "'0,7' has a comma; row 2 has a decimal point",
    ),
    "no names": (
        "c.txt",
        "0.5\n0.6\n",
        {},
        "column cost is missing: name the columns in the first row, this one has numbers",
    ),
    "several that may be meant": (
        "c.csv",
        "id,costs,t\na,1,2\nb,NA,4\n",
        {},
        "column cost is missing; did you mean costs? the file has id, costs, t; numeric columns: costs, t; "
        "name it with --cost-column",
    ),
    "no such device column": (
        "c.csv",
        LOG,
        {**BY_NAME, "device_column": "phones"},
        "column phones is missing; did you mean phone? the file has phone, joule; name it with --device",
    ),
    "devices twice": (
        "c.csv",
        "device,cost,Device\na,1,b\n",
        {},
        '(Device and device); --device-column "" counts each row by itself',
    ),
    "another form": (
        "c.json",
        '{"cost": [1, 2]}',
        {},
        "must be a list of numbers, such as [0.12, 0.3], or of objects",
    ),
    "another name": (
        "c.doc",
        "",
        {},
        "one of .csv, .tsv, .txt, .json, .jsonl, .xlsx, .parquet; .csv, .tsv, .txt",
    ),
    "torn beside a device": ("c.csv", "device,cost\na;0,1\n", {}, "'a;0,1' may have a decimal comma"),
    "units beyond": (
        "c.csv",
        "cost\n1e20\n1\n",
        {"unit_value": 1e15},
        "1 not between 1.18e-38 and 1e+30 units of",
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_becomes_of_a_layout(layout, tmp_path):
    name, content, options, expected = LAYOUTS[layout]
    found = outcome(written(tmp_path, name, content), **options)
    if isinstance(expected, str):
        assert expected in found
    else:
        assert found == tuple(expected)


@pytest.mark.parametrize(("content", "why"), [(b"plain", "is not packed by gzip"), (None, "and cut short")])
def test_a_packed_file_that_is_damaged_is_refused(content, why, tmp_path):
    path = tmp_path / "c.csv.gz"
    path.write_bytes(content or gzip.compress(b"cost\n" + b"1\n2\n" * 1000)[:-12])
    assert why in outcome(path)


def test_a_device_costs_what_numpy_says():
    generator = np.random.default_rng(0)
    devices = generator.integers(1, 40, 500)
    costs = generator.lognormal(size=500)
    present = np.unique(devices)
    for way in ("mean", 0.0, 0.1, 0.5, 0.9, 1.0):
        expected = [
            costs[devices == one].mean() if way == "mean" else np.quantile(costs[devices == one], way)
            for one in present
        ]
        np.testing.assert_allclose(find_device_costs(costs, devices, way), expected, rtol=1e-13)
    np.testing.assert_array_equal(find_device_costs(np.full(9, 0.1), np.repeat([1, 2, 3], 3), "mean"), 0.1)


def test_what_is_left_out_is_all_that_cannot_be_used(tmp_path):
    """Against a count of cells whose kinds are known, as CSV and as JSON lines."""
    kinds = {"0": "zero", "-3": "negative", "": "blank", "NA": "text", "1e400": "out_of_range", "7": None}
    draw = random.Random(0)
    cells = [draw.choice([*kinds]) for _ in range(9000)] + ["8"]
    expected = Counter(kinds[cell] for cell in cells[:-1])
    table = "n,cost\n" + "".join(f"x,{cell}\n" for cell in cells)
    as_json = {"": "null", "NA": '"NA"'}
    records = "".join(f'{{"cost": {as_json.get(cell, cell)}}}\n' for cell in cells)
    for name, content, first in (("c.csv", table, 2), ("c.jsonl", records, 1)):
        observed = read_costs(written(tmp_path, name, content), None, CostOptions(skip_unusable=True))
        assert observed.counts.tolist() == [expected[None], 1]
        left_out = observed.record["left_out"]
        assert {kind: one["rows"] for kind, one in left_out.items()} == {
            kind: expected[kind] for kind in kinds.values() if kind
        }
        assert left_out["blank"]["first_row"] == cells.index("") + first
        assert observed.record["rows"] == len(cells)


ROWS = [
    *("a,1", " a,1", "b,2.5", "c, 3", "a, ", "k ,NA", "d;0,1", "g,6,", ",", "", "h,7,8", "i,\r9", "j"),
    *('"e\n",4', '"f",5'),
]


def test_lines_read_at_once_are_read_as_one_by_one(tmp_path, monkeypatch):
    """Whatever piece of a file is read at once, and where nothing is taken for plain."""
    draw, seen = random.Random(1), Counter()
    for _ in range(600):
        rows = [
            draw.choice(
                ["a,1", "b,2.5", "c, 3", "d;0,1", '"e\n",4', '"f",5', "g,6,", ",", "", "h,7,8", "i,\r9", "j"]
            )
            for _ in range(draw.randint(1, 8))
        ]
        path = written(
            tmp_path,
            "c.csv",
            "device,cost\n" + draw.choice(["\n", "\r\n"]).join(rows) + draw.choice(["", "\n"]),
        )
        found = []
        for piece, careful in ((2**18, False), (2**18, True), (5, False), (17, False)):
            with monkeypatch.context() as changed:
                changed.setattr(lines, "PIECE", piece)
                if careful:
                    changed.setattr(CsvRows, "_split_plain", lambda *_: None)
                found.append(outcome(path))
        assert found[1:] == found[:1] * 3
        seen[type(found[0])] += 1
    assert min(seen[str], seen[tuple]) > 50


def test_long_times_look_like_milliseconds(tmp_path):
    remarks = Remarks()
    content = HEADER + GOLDEN + GOLDEN.replace("0.73", "730") + GOLDEN.replace("0.73", "740")
    list(read_networks(written(tmp_path, "n.csv", content), remarks=remarks))
    assert remarks.as_list() == [
        "row 3: max_latency = 730 looks like milliseconds and is taken in seconds; if it is 730 ms, write "
        "0.73"
    ]
    list(read_networks(written(tmp_path, "n.csv.gz", HEADER + GOLDEN), remarks=(plain := Remarks())))
    assert plain.as_list() == []


def test_all_that_was_left_out_stands_in_the_results(tmp_path, capsys):
    rows = "phone,J\n" + "".join(f"p{k % 9},{k + 1}\n" for k in range(30)) + "p9,0\np1,-\n"
    log, out = written(tmp_path, "log.csv", rows), tmp_path / "out"
    words = ("--cost-column", "J", "--device-column", "phone", "--cost-unit-value", 0.01, "--skip-unusable")
    assert design(EXAMPLES / "network.json", "--history", log, "--types", 3, *words, "--out", out) == 0
    printed = capsys.readouterr().out
    assert "2 of 32 rows left out: 1 zero (row 32), 1 not a finite number (row 33: '-')" in printed
    assert "9 observed devices, costs times 0.01 (--cost-unit-value)" in printed
    observed = json.loads((out / "contract.json").read_text())["observed"]
    assert observed == {
        "cost_column": "J", "device_column": "phone", "cost_unit_value": 0.01, "rows": 32, "observations": 30,
        "devices": 9, "devices_left_out": 1, "device_cost": "mean",
        "left_out": {
            "zero": {"rows": 1, "first_row": 32, "first": ""},
            "text": {"rows": 1, "first_row": 33, "first": "-"},
        },
    }  # fmt: skip
    configuration = json.loads((out / "config.json").read_text())["run"]
    assert configuration["observed"] == observed
    assert (configuration["cost_unit_value"], configuration["skip_unusable"]) == (0.01, True)
    groups = rows_of(out / "grouping.csv")
    assert {row["cost_unit_value"] for row in groups} == {"0.01"}
    dearest = max(statistics.fmean(range(k + 1, 31, 9)) for k in range(9))
    assert float(groups[0]["highest_cost"]) == pytest.approx(0.01 * dearest)


HISTORY = ("--history", "c.csv", "--types", 2)
BAD_OPTIONS = {
    "--cost-unit-value: goes with --history": ("--cost-unit-value", 2),
    "--skip-unusable: goes with --history": ("--skip-unusable",),
    "'0' must be a positive finite number": (*HISTORY, "--cost-unit-value", 0),
    "'inf' must be a positive finite number": (
        "--history",
        "c.csv",
        "--types",
        2,
        "--cost-unit-value",
        "inf",
    ),
    "'2' must be mean, or a quantile in [0, 1]": (*HISTORY, "--device-cost", 2),
    "'' must be the name of a column": (*HISTORY, "--cost-column", ""),
    "'Cost' is the column of the costs": (*HISTORY, "--device-column", "Cost"),
    "--device-cost: goes with devices": (*(*HISTORY, "--device-column", "", "--device-cost", "mean"),),
}


@pytest.mark.parametrize("why", BAD_OPTIONS)
def test_options_that_do_not_fit_are_refused(why, capsys):
    assert design(EXAMPLES / "network.json", *BAD_OPTIONS[why]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert why in line


@pytest.mark.parametrize("name", ["c.xlsx", "c.parquet"])
def test_tables_are_read_by_an_extra(name, tmp_path, monkeypatch):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("openpyxl" if name.endswith("xlsx") else "pyarrow")
    path = tmp_path / name
    write = pandas.DataFrame.to_excel if name.endswith("xlsx") else pandas.DataFrame.to_parquet
    write(pandas.DataFrame({"device": [1, 1, 2, 3], "Cost": [1.0, 3.0, 4.0, -1]}), path, index=False)
    row = 5 if name.endswith("xlsx") else 4
    assert outcome(path) == (
        f"column cost: 1 of 4 rows cannot be used: 1 negative (row {row}: -1); a cost is a positive number; "
        "--skip-unusable leaves such rows out"
    )
    costs, word, said = outcome(path, skip_unusable=True)
    assert (costs, word) == ([2, 4], "devices")
    assert said.startswith("read Cost as cost; 1 of 4 rows left out: 1 negative")
    head = dict(zip(HEADER.strip().split(","), map(float, GOLDEN.split(",")), strict=True))
    write(pandas.DataFrame([head]), path, index=False)
    (networks,) = read_networks(path)
    np.testing.assert_array_equal(networks.fields["device_types"], [[2, 12]])
    path.write_bytes(b"nothing of the kind")
    assert "that can be read" in outcome(path)
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert outcome(path).endswith('pip install "jaxcontract[tables]"')


def test_a_sheet_is_read_as_its_cells_are(tmp_path):
    book = pytest.importorskip("openpyxl").Workbook()
    book.create_sheet("more")
    for cells in ([], [None, "cost"], ["a", 0.5], ["b", "0.7"], ["c", True], [], ["d", 2], ["e", None]):
        book.active.append(cells)
    book.save(tmp_path / "c.xlsx")
    told = outcome(tmp_path / "c.xlsx")
    assert "3 of 5 rows cannot be used: 1 blank (row 8), 2 not a finite number (the first in row 4" in told
    costs, _, said = outcome(tmp_path / "c.xlsx", skip_unusable=True)
    assert costs == [0.5, 2]
    assert "the first of 2 sheets, 'Sheet', is read" in said


def test_the_rows_of_an_example_are_those_of_the_csv_module():
    with (EXAMPLES / "costs.csv").open(newline="") as file:
        expected = sorted(float(row["cost"]) for row in csv.DictReader(file))
    assert outcome(EXAMPLES / "costs.csv")[:2] == (expected, "devices")

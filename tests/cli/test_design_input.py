"""Bad files and command lines: one line that says what, where and what is allowed, before JAX is there."""

import json
import subprocess
import sys

import pytest

from design_command import GOLDEN, HEADER, design
from paths import EXAMPLES

BAD = {
    "empty": ("n.csv", "", "is empty"),
    "header only": ("n.csv", HEADER, "has no rows"),
    "missing column": ("n.csv", HEADER.replace("max_latency,", "") + GOLDEN, "column max_latency is missing"),
    "missing type": ("n.csv", HEADER.replace(",type_probs_2", "") + GOLDEN, "column type_probs_2 is missing"),
    "misspelt column": ("n.csv", HEADER.replace("max_aoi", "max_aio") + GOLDEN, "did you mean max_aoi?"),
    "twice": ("n.csv", "max_aoi," + HEADER + GOLDEN, "row 1: column max_aoi stands there twice"),
    "ragged": ("n.csv", HEADER + GOLDEN + "1,2\n", "row 3: has 2 cells, the header has 6"),
    "text": ("n.csv", HEADER + GOLDEN.replace("0.73", "low"), "row 2, column max_latency: 'low' must be"),
    "blank cell": ("n.csv", HEADER + GOLDEN.replace("0.73", ""), "row 2, column max_latency: '' must be"),
    "NaN": (
        "n.csv",
        HEADER + GOLDEN + GOLDEN.replace("0.16", "nan"),
        "row 3, column type_probs_2: 'nan' must be a finite number",
    ),
    "infinite": (
        "n.csv",
        HEADER + GOLDEN.replace("12", "1e999"),
        "row 2, column device_types_2: '1e999' must be a finite number",
    ),
    "unsorted": (
        "n.csv",
        HEADER + "\n" + GOLDEN.replace("2,12", "12,2"),
        "row 3, column device_types_2: 2 must",
    ),
    "zero type": ("n.csv", HEADER + GOLDEN.replace("2,12", "0,2"), "row 2, column device_types_1: 0 must"),
    "shares": ("n.csv", HEADER + GOLDEN.replace("0.16", "0.2"), "row 2, columns type_probs_1 …: sum to 1.04"),
    "negative": ("n.csv", HEADER + "-1" + GOLDEN[1:], "row 2, column max_aoi: -1.95 must be a number in (0"),
    "constant": ("n.csv", f"aoi_preference,{HEADER}1.5,{GOLDEN}", "row 2, column aoi_preference: 1.5 must"),
    "bounds": (
        "n.csv",
        f"min_frequency,max_frequency,{HEADER}0.5,0.2,{GOLDEN}",
        "row 2, column min_frequency: 0.5 must be at most max_frequency = 0.2",
    ),
    "latin": ("n.csv", HEADER.encode() + b"0.95,\xe4,1,0,2,12\n", "row 2, byte 6 (0xe4): is not UTF-8"),
    "utf-16": ("n.csv", (HEADER + GOLDEN).encode("utf-16"), "row 1, byte 1 (0xff): is not UTF-8"),
    "utf-16 unmarked": ("n.csv", (HEADER + GOLDEN).encode("utf-16-le"), "row 1: is not UTF-8"),
    "binary": ("n.csv", bytes(range(128, 256)) * 10, "is not UTF-8"),
    "no breaks": ("n.csv", b"1," * 2**23 + b"1,", "row 1: is longer than 16 MiB"),
    "quote": ("n.csv", HEADER + '"' + "1" * 200_000 + '"\n', "row 2: is not CSV"),
    "suffix": ("n.doc", HEADER + GOLDEN, "must be a file whose name ends in"),
    "no JSON": ("n.json", '{"states": [\n{"max_aoi": }]}', "row 2, character 13: is not JSON"),
    "JSON shape": ("n.json", "[1, 2]", 'must be an object {"system"'),
    "JSON without states": ("n.json", '{"states": []}', "is empty"),
    "JSON text": ("n.json", '{"states": [{"max_aoi": "1"}]}', "key max_latency is missing"),
    "JSON types": (
        "n.jsonl",
        '{"max_aoi": 1, "max_latency": true, "type_probs": [1], "device_types": [1]}',
        "row 1, key max_latency: true must be a finite number",
    ),
    "JSON lines": ("n.jsonl", '{"max_aoi": 1}\n{"max_aoi"', "key max_latency is missing"),
    "JSON sizes": (
        "n.jsonl",
        "".join(
            json.dumps(
                {"max_aoi": 1, "max_latency": 1, "type_probs": [1] + k * [0], "device_types": [1] * (k + 1)}
            )
            + "\n"
            for k in (1, 2)
        ),
        "row 2: key device_types, entry 3 is one more",
    ),
    "deep JSON": ("n.json", "[" * 100_000, "is not JSON"),
}


def refused(capsys, *arguments):
    """The one line that a command line is refused with."""
    assert design(*arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    return line


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_network_file_gets_one_line(fault, tmp_path, capsys):
    name, content, expected = BAD[fault]
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    line = refused(capsys, path, "--out", tmp_path / "out")
    assert expected in line
    assert str(path) in line
    assert not (tmp_path / "out").exists()


BAD_COSTS = {
    "empty": ("", "is empty"),
    "missing column": ("price\n1\n", "column cost is missing"),
    "one device": ("cost\n0.5\n", "has one observation"),
    "one cost": ("cost\n0.5\n0.5\n", "has 2 observations of one cost"),
    "negative": (
        "device,cost\na,0.5\nb,-0.5\n",
        "column cost: 1 of 2 rows cannot be used: 1 negative (row 3",
    ),
    "zero": ("cost\n0.5\n0\n", "1 zero (row 3); a cost is a positive number; --skip"),
    "NaN": ("cost\n0.5\nnan\n", "1 not a finite number (row 3: 'nan')"),
    "text": ("cost\n0.5\ndear\n", "1 not a finite number (row 3: 'dear')"),
    "too few": ("cost\n0.5\n0.6\n", "--types 3: there are 2 different costs"),
}


@pytest.mark.parametrize("fault", BAD_COSTS)
def test_a_bad_history_gets_one_line(fault, tmp_path, capsys):
    content, expected = BAD_COSTS[fault]
    (tmp_path / "c.csv").write_text(content)
    history = ("--history", tmp_path / "c.csv", "--types", 3)
    assert expected in refused(capsys, EXAMPLES / "network.json", *history, "--out", tmp_path / "out")


def test_bad_command_lines_get_one_line(tmp_path, capsys):
    network = EXAMPLES / "network.json"
    (tmp_path / "two.csv").write_text(HEADER + 2 * GOLDEN)
    (tmp_path / "folder.csv").mkdir()
    history = ("--history", EXAMPLES / "costs.csv")
    cases = {
        "--grouping quantiles: with --history, goes with --types": (
            network,
            *history,
            "--grouping",
            "quantiles",
        ),
        "--leave-out: goes with --grouping best": (network, *history, "--group-cost", "mean", "--leave-out"),
        "--types: goes with --history": (network, "--types", 3),
        "must be a whole number": (network, *history, "--types", "some"),
        "goes with one network, this file has 2": (tmp_path / "two.csv", *history, "--types", 2),
        "cannot be read (No such file": (tmp_path / "none.csv",),
        "is not a plain file": (tmp_path / "folder.csv",),
        "did you mean --integer-cycles?": (network, "--integer-cycle"),
        "not allowed with": (network, "--integer-cycles", "--policy", "x"),
    }
    for expected, arguments in cases.items():
        assert expected in refused(capsys, *arguments)


def test_help_and_refusals_do_without_jax(tmp_path):
    (tmp_path / "n.csv").write_text(HEADER + GOLDEN + "nan" + GOLDEN[4:])
    for arguments, code in ((["--help"], 0), ([str(tmp_path / "n.csv")], 2)):
        program = f"""
import sys
from jaxcontract.cli.design.command import main
try:
    code = main({arguments!r})
except SystemExit as stopped:
    code = stopped.code
assert code == {code}, code
assert "jax" not in sys.modules
"""
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr

"""Files as people and their programs write them: what is read, how it is said, what is refused and why."""

import json
import random

import numpy as np
import pytest

from design_command import GOLDEN, HEADER, design
from jaxcontract.cli.input_files.columns import Remarks
from jaxcontract.cli.input_files.network_rows import KNOWN, read_networks
from jaxcontract.cli.input_files.numerals import Decimals, parse_number, parse_numbers
from jaxcontract.cli.input_files.observed import read_costs

NETWORK = HEADER + GOLDEN
COSTS = [0.098, 0.21, 0.566]


def read(path, kind):
    """The numbers of a file of costs or of networks, ascending, and what is said of it."""
    remarks = Remarks()
    if kind == "costs":
        return read_costs(path, remarks).costs.tolist(), remarks.as_list()
    blocks = list(read_networks(path, remarks=remarks))
    return [one.fields for one in blocks], remarks.as_list()


def written(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# What is written, what it is read as, what is said of it.
READ_COSTS = {
    "plain": ("cost\n0.098\n0.21\n0.566\n", COSTS, []),
    "semicolons, decimal commas": (
        "device;cost\na;0,098\nb;0,210\nc;0,566\n",
        COSTS,
        ["cells separated by semicolons", "decimal commas"],
    ),
    "semicolons, decimal points": ("a;cost\nx;0.5\ny;1.234\n", [0.5, 1.234], ["semicolons", "not read: a"]),
    "tabs": ("device\tcost\na\t0.5\nb\t1e-3\n", [0.001, 0.5], ["cells separated by tabs"]),
    "tabs beside commas in names": (
        "device, all\tcost\na\t0,5\nb\t2,25\n",
        [0.5, 2.25],
        ["separated by tabs", "decimal commas", "not read: device, all"],
    ),
    "sep=": ("sep=;\ndevice;cost\na;0,5\nb;3\n", [0.5, 3], ["by semicolons, as row 1 says", "commas"]),
    "sep= quoted": ('"SEP=\t"\r\nx, y\tcost\r\na\t1\r\nb\t2\r\n', [1, 2], ["tabs, as row 1 says", "x, y"]),
    "another case": ("Device, COST \na,1\nb,2\n", [1, 2], ["read COST as cost"]),
    "trailing separators": ("device,cost,,\na,1,,\nb,2,,\n", [1, 2], ["2 columns without a name"]),
    "trailing in rows alone": ("device,cost\na,1,,\nb,2\n", [1, 2], ["trailing separators"]),
    "short rows": ("device;cost;;\na;1\nb;2;\n", [1, 2], ["semicolons", "2 columns without"]),
    "no name, words": ("cost,\n1,good\n2,\n", [1, 2], ["1 column without a name not read"]),
    "index of pandas": (",cost\n0,1.5\n1,2.5\n", [1.5, 2.5], ["1 column without a name not read"]),
    "others twice": ("note,cost,note\nx,1,y\nz,2,\n", [1, 2], ["not read: note"]),
    "BOM, CRLF, blank rows": (
        b"\xef\xbb\xbfcost;x\r\n\r\n1,5;\r\n;\r\n2,5;a\r\n",
        [1.5, 2.5],
        ["semicolons", "decimal commas", "not read: x"],
    ),
    "quotes": ('"device","cost"\n"a, or b","1.5"\n"c ""d""", "2"\n', [1.5, 2], []),
    "quoted decimal commas": (
        'cost,n\n"0,5",1\n"1,234",2\n',
        [0.5, 1.234],
        ["decimal commas", "not read: n"],
    ),
    "cells over lines": (
        'cost,note\n1,"two\nlines"\n2,x\n',
        [1, 2],
        ["cells over several lines, first in row 2", "not read: note"],
    ),
    "1,234 beside 0,5": ("x;cost\na;1,234\nb;0,5\n", [0.5, 1.234], ["semicolons", "decimal commas", "x"]),
    "forms of numbers": ("cost\n +.5 \n2.\n1E-3\n007\n", [0.001, 0.5, 2, 7], []),
    "semicolons in words": ("note,cost,x\nsee; a,3,\n5;x,4,\n", [3, 4], ["not read: note, x"]),
    "strange names": ("cost,\x1b[31m,[b]\n1,,\n2,,\n", [1, 2], [r"not read: \x1b[31m, [b]"]),
}


@pytest.mark.parametrize("kind", READ_COSTS)
def test_what_is_plain_enough_is_read_and_said(kind, tmp_path):
    content, costs, said = READ_COSTS[kind]
    for name in ("c.csv", "C.CSV", "c.tsv"):
        found, remarks = read(written(tmp_path, name, content), "costs")
        assert found == costs
        assert len(remarks) == len(said)
        assert all(part in remark for part, remark in zip(said, remarks, strict=True))


# What is written, and the place and reason that it is refused with.
REFUSED_COSTS = {
    "a thousand or not": ("x;cost\na;1,234\nb;12\n", "row 2, column cost: '1,234' may be 1.234 or 1234"),
    "German thousands": ("x;cost\na;1.234\nb;950\n", "row 2, column cost: '1.234' may be 1.234 or 1234"),
    "quoted thousands": ('cost\n"1,234"\n12\n', "row 2, column cost: '1,234' may be 1.234 or 1234"),
    "mixed in one cell": (
        "x;cost\na;0,5\nb;1.234,5\n",
        "1 not a finite number (row 3: '1.234,5'",
    ),
    "thousands": ('cost\n"1,234,567"\n', "without marks between its thousands"),
    "mixed in a file": (
        "x;cost\na;0,5\nb;0.7\n",
        "row 3, column cost: '0.7' has a point; row 2 has a decimal",
    ),
    "comma among points": ("x;cost\na;0.5\nb;1,234\n", "row 3, column cost: '1,234' has a comma; row 2 has"),
    "commas for both": (
        "device,cost\na,0,2\n",
        "row 2: has 3 cells, the header has 2; where commas separate",
    ),
    "commas for both, trailing": (
        "device,cost,\na,0,2\n",
        "column cost: 0 before 2 in a column without a name",
    ),
    "commas for both, alone": ("cost\n0,2\n0,3\n", "row 2: has 2 cells, the header has 1; where commas"),
    "row names of R": ("cost\n1,12\n2,13\n", "row 2: has 2 cells, the header has 1"),
    "unclear separator": ("cost, mean;device\n0,5;a\n", "row 1: has commas and semicolons; put a line"),
    "other sep=": ("sep=|\ncost|x\n1|2\n", "row 1: sep='|' must be one of commas, semicolons, tabs"),
    "two of one name": ("Cost,cost\n1,2\n", "row 1: column cost stands there twice (Cost and cost)"),
    "a row cut short": ("device,cost\na,1\n2\n", "row 3: has 1 cell, the header has 2"),
    "names with commas, rows with semicolons": (
        "device,cost\na;0,1\nb;0,2\n",
        "row 2, column cost: 'a;0,1' may have a decimal comma, and names are separated by commas",
    ),
    "the other way round": ("cost,device\n1,5;a\n2,5;b\n", "row 2, column cost: '1,5;a' may have a decimal"),
    "rows with tabs": ("device,cost,x\na\t0,1\t,\n", "column cost: 'a\\t0,1\\t' may have a decimal comma"),
    "names with semicolons, rows with commas": (
        "device;cost\na,0.1\n",
        "has 1 cell, the header has 2; names are separated by semicolons, this row has commas",
    ),
    "beyond a float": (
        "cost\n1e-39\n1\n",
        "1 not between 1.18e-38 and 1e+30 units of payment (row 2: 1e-39)",
    ),
    "open quote": ('cost,note\n1,"open\n2,x\n3,y\n', "row 2: is not CSV (a quote is not closed)"),
    "old line breaks": ("cost\r1\r2\r", "row 1: is not CSV (a carriage return stands inside it"),
    "no header": ("0.5\n0.6\n", "column cost is missing"),
    "bars": ("device|cost\na|1\n", "columns are separated by commas, semicolons or tabs"),
}


@pytest.mark.parametrize("kind", REFUSED_COSTS)
def test_what_may_be_read_in_two_ways_is_refused_with_its_place(kind, tmp_path):
    content, why = REFUSED_COSTS[kind]
    path = written(tmp_path, "c.csv", content)
    with pytest.raises(ValueError, match="^" + str(path)) as refused:
        read(path, "costs")
    assert why in str(refused.value)
    assert "\n" not in str(refused.value)


NO_NUMBERS = (
    "1_000|0x10|nan|NaN|inf|-Infinity|true|TRUE|NA|-|1e400|1e-400|50%|5 %|$5|5 J|1 234|1\u00a0234|1'234"
    "|2030-01-01|12:30|1.2.3|1e|e5|.|+|--1|1e5.5|0b1|1d5|#N/A|=1"
    "|\uff11|\u0661|\u22125|0.5\u00a0|\u00bd|1\u20442|5\u00b2"
).split("|")


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_nothing_else_is_a_number(text, tmp_path):
    """Python's own `float` takes several of these."""
    for rows, row in ((f"{text}\n2\n", 2), (f"2\n{text}\n", 3)):
        with pytest.raises(ValueError, match=f"column cost: 1 of 2 rows cannot be used: 1 .* .row {row}: "):
            read(written(tmp_path, "c.csv", "cost\n" + rows), "costs")


@pytest.mark.parametrize("sign", [".", ","])
def test_random_texts_are_numbers_only_where_they_are_plain_ones(sign):
    """Many at once and one by one alike, of ASCII digits, signs and one decimal sign."""
    draw, seen = random.Random(0), 0
    for _ in range(10_000):
        text = "".join(draw.choice("0123456789..,,eE+-_ nax%\u0661\u00a0") for _ in range(draw.randint(1, 5)))
        at_once = parse_numbers([[text]], sign)
        try:
            alone = parse_number(text, Decimals(sign, 2))
        except ValueError:
            assert at_once is None
            continue
        seen += 1
        assert set(text) <= set("0123456789eE+- " + sign)
        assert at_once == alone == float(text.replace(",", "."))
    assert seen > 400


# Networks: what is written, what is said or why it is refused.
READ_NETWORKS = {
    "semicolons, decimal commas": (
        "n.csv",
        NETWORK.replace(",", ";").replace(".", ","),
        "['cells separated by semicolons', 'decimal commas']",
    ),
    "tabs": ("n.tsv", NETWORK.replace(",", "\t"), "['cells separated by tabs']"),
    "another case": ("N.CSV", NETWORK.replace("max_aoi", "Max_AoI"), "['read Max_AoI as max_aoi']"),
    "name and note": (
        "n.csv",
        f"name,{HEADER.strip()},note\nhall 3,{GOLDEN.strip()},1.234\n",
        "['not read: name, note']",
    ),
    "more of a JSON state": (
        "n.JSON",
        '{"states": [{"Name": null, "max_aoi": 0.95, "Max_Latency": 0.73, "tags": [1, "x"], '
        '"type_probs": [0.84, 0.16], "device_types": [2, 12]}]}',
        "['read Max_Latency as max_latency', 'not read: Name, tags']",
    ),
    "more of a document": (
        "n.json",
        '{"name": "hall 3", "states": [{"max_aoi": 0.95, "max_latency": 0.73, "type_probs": [0.84, 0.16], '
        '"device_types": [2, 12]}], "made": 2030}',
        "['not read: name, made']",
    ),
    "notes here and there": (
        "n.jsonl",
        '{"max_aoi": 0.95, "max_latency": 0.73, "type_probs": [0.84, 0.16], "device_types": [2, 12]}\n'
        '{"note": {"a": 1}, "device_types": [2, 12], "max_latency": 0.73, "max_aoi": 0.95, '
        '"type_probs": [0.84, 0.16]}\n',
        "['not read: note']",
    ),
}


@pytest.mark.parametrize("kind", READ_NETWORKS)
def test_networks_are_read_whatever_the_file_looks_like(kind, tmp_path):
    name, content, said = READ_NETWORKS[kind]
    (fields,), remarks = read(written(tmp_path, name, content), "networks")
    assert str(remarks) == said
    assert (fields["max_aoi"] == 0.95).all()
    assert (fields["max_latency"] == 0.73).all()
    np.testing.assert_array_equal(fields["type_probs"][-1], [0.84, 0.16])
    np.testing.assert_array_equal(fields["device_types"][-1], [2, 12])


STATE = '{"max_aoi": 1, "max_latency": 1, "type_probs": [1], "device_types": [%s]}'
REFUSED_NETWORKS = {
    "a slip beside all others": (
        "n.csv",
        f"max_frequncy,{HEADER}0.2,{GOLDEN}",
        "row 1: unknown column 'max_frequncy'; did you mean max_frequency? Give a column that is",
    ),
    "an end of a name": ("n.csv", f"profit,{HEADER}9,{GOLDEN}", "did you mean unit_profit?"),
    "another way of writing": ("n.csv", f"Min Frequency,{HEADER}9,{GOLDEN}", "did you mean min_frequency?"),
    "a type too many": ("n.csv", f"device_type_3,{HEADER}9,{GOLDEN}", "did you mean device_types_1?"),
    "a key too many": (
        "n.jsonl",
        STATE % 2 + "\n" + (STATE % 2).replace("{", '{"slotduration": 3, '),
        "row 2: unknown key 'slotduration'; did you mean slot_duration?",
    ),
    "a column missing": ("n.csv", "max_aoi\n1\n", f"known are {', '.join(KNOWN)}"),
    "a key missing": ("n.jsonl", '{"max_aoi": 1}', "row 1: key max_latency is missing"),
    "keys by their own names": (
        "n.jsonl",
        STATE.replace('"device_types"', '"costs"') % "2, 4",
        "the file has max_aoi, max_latency, type_probs, costs; known are num_devices, aoi_preference, "
        "unit_profit, slot_duration, min_frequency, max_frequency, max_aoi, max_latency, type_probs, "
        "device_types",
    ),
    "a list and an entry of it": (
        "n.jsonl",
        (STATE % 2).replace("{", '{"device_types_1": 3, '),
        "row 1: key device_types_1 stands there twice, also in device_types",
    ),
    "a key twice": (
        "n.jsonl",
        STATE % 2 + '\n{"max_aoi": 1, "max_aoi": 2}',
        "row 2: key max_aoi stands there",
    ),
    "twice in a document": (
        "n.json",
        '{"states": [{"max_aoi": 1, "max_aoi": 2}]}',
        "row 1: key max_aoi stands",
    ),
    "in two cases": ("n.jsonl", (STATE % 2).replace("{", '{"MAX_aoi": 2, '), "(MAX_aoi and max_aoi)"),
    "text": (
        "n.jsonl",
        STATE % '"2"',
        'row 1, key device_types, entry 1: "2" must be a finite number, not text',
    ),
    "null": ("n.jsonl", STATE % "1, null", "row 1: key type_probs, entry 2 is missing"),
    "true": ("n.jsonl", STATE % "true", "row 1, key device_types, entry 1: true must be a finite number"),
    "NaN": ("n.jsonl", STATE % "NaN", "row 1, key device_types, entry 1: NaN must be a finite number"),
    "beyond a double": (
        "n.jsonl",
        STATE % "1e400",
        "key device_types, entry 1: 1e400 must be a finite number",
    ),
    "below a double": (
        "n.jsonl",
        STATE % "1e-400",
        "key device_types, entry 1: 1e-400 must be a finite number",
    ),
    "digits": ("n.jsonl", STATE % "1_0", "row 1, character 71: is not JSON"),
    "no list": (
        "n.jsonl",
        STATE.replace("[%s]", "2"),
        "row 1, key device_types: 2 must be a list of numbers",
    ),
    "comma too many": (
        "n.json",
        '{"states": [%s,\n]}' % (STATE % 2),
        "is not JSON (a comma before it too many)",
    ),
    "range": ("n.jsonl", STATE % 0, "row 1, key device_types, entry 1: 0 must be a number in"),
    "sum": (
        "n.jsonl",
        (STATE % 2).replace('probs": [1', 'probs": [0.9'),
        "row 1, key type_probs: they sum to 0.9",
    ),
    "order": (
        "n.jsonl",
        (STATE % "3, 2").replace("[1]", "[0.5, 0.5]"),
        "row 1, key device_types, entry 2: 2 must be at least that of type 1, 3",
    ),
    "constants twice": (
        "n.json",
        '{"system": {"Max_aoi": 1}, "states": [%s]}' % (STATE % 2),
        "row 1, key max_aoi: st",
    ),
    "top level": ("n.json", '{"sytem": {}, "states": []}', "key 'sytem': did you mean system?"),
    "no states": ("n.json", '{"name": "hall", "system": {}}', 'must be an object {"system": {constants}'),
}


@pytest.mark.parametrize("kind", REFUSED_NETWORKS)
def test_networks_that_are_not_clear_are_refused_with_their_place(kind, tmp_path):
    name, content, why = REFUSED_NETWORKS[kind]
    path = written(tmp_path, name, content)
    with pytest.raises(ValueError, match="^" + str(path)) as refused:
        read(path, "networks")
    assert why in str(refused.value)
    assert "\n" not in str(refused.value)


def test_how_a_file_was_read_is_one_line_on_the_screen_and_in_the_record(tmp_path, capsys):
    content = NETWORK.replace("max_aoi", "[note],Max_AoI").replace("0.95", "a,0.95")
    network = written(tmp_path, "n.csv", content.replace(",", ";").replace(".", ","))
    assert design(network, "--out", tmp_path / "out") == 0
    record = json.loads((tmp_path / "out" / "contract.json").read_text())
    assert [item["device_type"] for item in record["contract_of"][0]["items"]] == [2, 12]
    said = "cells separated by semicolons; read Max_AoI as max_aoi; decimal commas; not read: [note]"
    assert capsys.readouterr().out.splitlines().count(f"{network}: {said}") == 1
    assert record["read_as"] == {str(network): said.split("; ")}

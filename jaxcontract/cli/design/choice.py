"""Contracts for devices that choose, as a person gets them: solved, written, shown and drawn."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jaxcontract.cli.design.contracts import SHOWN
from jaxcontract.cli.design.inputs import Input, stream_networks
from jaxcontract.cli.design.request import Request
from jaxcontract.cli.design.writing import ITEMS, NETWORKS
from jaxcontract.cli.input_files.network_rows import NetworkRows
from jaxcontract.cli.pictures import attempt
from jaxcontract.cli.program import DONE, PARTLY_DONE, Program
from jaxcontract.mechanism.validation import TOLERANCE
from jaxcontract.storage.files import write_json

if TYPE_CHECKING:
    from jaxcontract.cli.text_tables import FittedTable

BY_TYPE = ("frequency", "payment", "rent", "participation", "elsewhere")
BY_NETWORK = (
    "station_utility",
    "upper_bound",
    "naive_utility",
    "joining",
    "leaving",
    "staying_out",
    "device_utility",
    "max_violation",
)
IN_JSON = 100  # networks, one at least
MOST_ITEMS = 40  # of a table


class Chosen(NamedTuple):
    """A network, by its place in its block, with the contract that was found for it."""

    networks: NetworkRows
    found: Mapping[str, np.ndarray]
    place: int

    @property
    def feasible(self) -> bool:
        """Whether IR and IC hold, up to rounding, and the contract has a quality."""
        allowed = TOLERANCE * max(1.0, float(self.found["payment"][self.place].max()))
        value = self.found["station_utility"][self.place]
        return bool(np.isfinite(value) and self.found["max_violation"][self.place] <= allowed)


def run_with_choice(request: Request, given: Input, out: Path, program: Program) -> int:
    """Solve, write and print: the exit code."""
    from jaxcontract.cli.console import make_console

    console = make_console()
    for file, said in given.read_as.items():
        console.print(f"{file}: {'; '.join(said)}", soft_wrap=True, markup=False)
    shown, feasible = _solve(request, given, out)
    whole = not console.is_terminal
    for one in shown[:SHOWN]:
        console.print(_items_table(one, request))
        console.print("\n".join(_verdict(one, given)), "", sep="\n", soft_wrap=whole)
    if given.total > SHOWN:
        console.print(f"and {given.total - SHOWN:,} networks more, in {NETWORKS}")
    written = ["contract.json", ITEMS, NETWORKS]
    drawn = [one for one in shown[:SHOWN] if one.feasible]
    if drawn:
        written += attempt("contract.png", lambda: _draw(drawn, out), program.say)
    console.print(f"\nwritten to {out}/: {', '.join(written)}", soft_wrap=True)
    return DONE if feasible == given.total else PARTLY_DONE


def _solve(request: Request, given: Input, out: Path) -> tuple[list[Chosen], int]:
    """Every network's contract, written as it comes: the first ones, and how many hold."""
    from jaxcontract.cli.design.responding import respond

    kept: list[Chosen] = []
    feasible = 0
    assert request.taste_scale is not None
    with (out / ITEMS).open("x", newline="") as items, (out / NETWORKS).open("x", newline="") as rows:
        writers = [csv.writer(file, lineterminator="\n") for file in (items, rows)]
        writers[0].writerow(["row", "type", "type_prob", "device_type", *BY_TYPE])
        writers[1].writerow(["row", "feasible", *BY_NETWORK])
        for block in stream_networks(request, None):
            found = respond(block, given.rivals, request.taste_scale)
            for place, row in enumerate(block.rows.tolist()):
                one = Chosen(block, found, place)
                feasible += one.feasible
                values = [found[name][place].item() for name in BY_NETWORK]
                writers[1].writerow([row, one.feasible, *values])
                writers[0].writerows([row, *item.values()] for item in _items(one))
                if len(kept) < IN_JSON:
                    kept.append(one)
    write_json(
        out / "contract.json",
        {
            "contracts": "devices with a choice",
            "taste_scale": request.taste_scale,
            "rivals": {name: items.tolist() for name, items in given.rivals.items()},
            "read_as": given.read_as,
            "networks": given.total,
            "feasible": feasible,
            "left_out_here": given.total - len(kept),
            "contract_of": [_record(one) for one in kept],
        },
    )
    return kept, feasible


def _items(one: Chosen) -> list[dict[str, Any]]:
    """Plain values of each item."""
    fields, place = one.networks.fields, one.place
    columns = {
        "type_prob": fields["type_probs"][place],
        "device_type": fields["device_types"][place],
        **{name: one.found[name][place] for name in BY_TYPE},
    }
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    return [{"type": k, **dict(zip(columns, row, strict=True))} for k, row in enumerate(rows, 1)]


def _record(one: Chosen) -> dict[str, Any]:
    """A network with its contract, plain values for JSON."""
    return {
        "row": int(one.networks.rows[one.place]),
        **{name: field[one.place].tolist() for name, field in one.networks.fields.items()},
        "feasible": one.feasible,
        **{name: one.found[name][one.place].item() for name in BY_NETWORK},
        "items": _items(one),
    }


def _items_table(one: Chosen, request: Request) -> "FittedTable":
    """One network's contract, item by item."""
    from jaxcontract.cli.text_tables import plain_table

    columns = {
        "share": ("type_prob", "{:.4g}"),
        "phi": ("device_type", "{:.4g}"),
        "frequency": ("frequency", "{:.5f}"),
        "payment": ("payment", "{:.6g}"),
        "rent": ("rent", "{:.6g}"),
        "comes": ("participation", "{:.2%}"),
        "to rivals": ("elsewhere", "{:.2%}"),
    }
    title = f"Row {one.networks.rows[one.place]}: devices that choose, μ = {request.taste_scale:g}"
    table = plain_table(title, ["type", *columns])
    for item in _items(one)[:MOST_ITEMS]:
        table.add_row(str(item["type"]), *(form.format(item[name]) for name, form in columns.values()))
    return table


def _verdict(one: Chosen, given: Input) -> list[str]:
    """What the contract of one network brings, and how much more any other could."""
    values = {name: float(one.found[name][one.place]) for name in BY_NETWORK}
    if not np.isfinite(values["station_utility"]):
        return ["no contract has a quality of data here"]
    earned, gap = values["station_utility"], values["upper_bound"] - values["station_utility"]
    rivals = f", {values['leaving']:.1%} go to {_count(given.rivals)}" if given.rivals else ""
    lines = [
        f"the base station earns {earned:.4f} per round; certified: no contract within IR and IC earns "
        f"{gap:.1e} more",
        f"beside it: the contract of (10), which takes devices for granted, {values['naive_utility']:.4f} "
        f"({values['naive_utility'] - earned:+.4f})",
        f"of all devices {values['joining']:.1%} come{rivals}, {values['staying_out']:.1%} stay out",
    ]
    if not one.feasible:
        lines.append(f"NOT FEASIBLE: IR or IC is missed by {values['max_violation']:.1e}")
    return lines


def _count(rivals: Mapping[str, Any]) -> str:
    return "the rival" if len(rivals) == 1 else f"the {len(rivals)} rivals"


def _draw(chosen: Sequence[Chosen], out: Path) -> None:
    """`contract.png`: the items beside those of (10)."""
    from jaxcontract.figures import Design, designs, save

    rows = []
    for networks, found, place in chosen:
        pairs = {
            "best response": (found["frequency"][place], found["payment"][place]),
            "contract of (10)": (found["naive_frequency"][place], found["naive_payment"][place]),
        }
        types = networks.fields["device_types"][place]
        rows.append(Design(f"row {networks.rows[place]}", types, pairs))
    save(designs(rows), out / "contract")

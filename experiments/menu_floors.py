"""How near families of policies can come to an equilibrium of the capacity game of two types, in one network.

Each floor is the least exploitability that Nelder and Mead's search finds from several starts, as a share of
what a station can secure, at the mean requirements and types of the law. In each family x_1 and x_2 are drawn
independently, by one Gaussian or by each of two, and bounded by sigmoids onto [0, 1]; `fitted` also chooses
where its sigmoids begin and end. Beside them: what an equilibrium on a grid of menus pays.
"""

if __name__ == "__main__":
    import _signal

    _signal.pthread_sigmask(_signal.SIG_BLOCK, {_signal.SIGINT})  # until it is listened for
    from jaxcontract.training.signals import leave_at_once

    leave_at_once("menu_floors.py")  # also while what follows is imported

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jaxcontract.cli.options import OneLineParser, count, path
from jaxcontract.cli.program import BAD_INPUT, INTERRUPTED, Program
from jaxcontract.storage.files import write_json

PROGRAM = Program("menu_floors.py", "python experiments/menu_floors.py")
EPILOG = """\
examples:
  python experiments/menu_floors.py
  python experiments/menu_floors.py --families gaussian --capacities 0.75 --starts 2

writes a JSON file of every floor found so far, with its parameters.

exit codes: 0 done, 2 bad input, 130 interrupted
"""
FAMILIES = {"gaussian": 4, "fitted": 8, "two": 9}  # how many parameters each has
SEARCHED, SHOWN = 97, 385  # places of u_1 in the search, and of what is found
REACH = 6.0  # of an expert's line, in deviations
LEAST_STD = 0.1  # narrower ones are not seen by so many places
GRID = 21, 5  # menus of the equilibrium
REPEATS = 3  # of the search from where it ended: a simplex may have collapsed


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line, without JAX; on bad input, one line and exit code 2."""
    parser = OneLineParser(prog=PROGRAM.name, description=__doc__, epilog=EPILOG)
    add = parser.add_argument
    known = ", ".join(FAMILIES)
    add("--families", type=families, default=list(FAMILIES), metavar="NAME,…", help=f"{known} (default: all)")
    add("--capacities", type=shares, default=[0.6, 0.75, 0.9], metavar="L,…", help="(default 0.6,0.75,0.9)")
    add("--starts", type=count, default=6, metavar="N", help="of each search (default 6)")
    add(
        "--out",
        type=path,
        default="runs/menu_floors.json",
        metavar="FILE",
        help="(default runs/menu_floors.json)",
    )
    return parser.parse_args(arguments)


def families(text: str) -> list[str]:
    """Names of families with commas between them."""
    names = text.split(",")
    unknown = [name for name in names if name not in FAMILIES]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r}: must be one of {', '.join(FAMILIES)}")
    return names


def shares(text: str) -> list[float]:
    """Capacities L/M with commas between them."""
    try:
        found = [float(word) for word in text.split(",")]
    except ValueError:
        found = []
    if not found or not all(0.5 < share < 1.0 for share in found):
        raise argparse.ArgumentTypeError(f"{text!r}: must be shares in (0.5, 1) with commas between them")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parsed = parse(arguments)
    import jax

    rows: list[dict[str, Any]] = []

    def add(row: dict[str, Any], said: str) -> None:
        rows.append(row)
        write_json(parsed.out, {"rows": rows})
        print(f"L/M = {row['capacity']:g}, {said}", flush=True)

    try:
        write_json(parsed.out, {"rows": rows})
        with jax.enable_x64(True):
            for capacity in parsed.capacities:
                for family in parsed.families:
                    row = find_floor(family, capacity, parsed.starts)
                    add(row, f"{family}: {row['floor']:.2%}")
                row = find_equilibrium(capacity)
                add(row, f"equilibrium pays {row['payoff']:.4f} of what can be secured")
    except KeyboardInterrupt:
        return PROGRAM.fail(INTERRUPTED, "interrupted")
    except OSError as error:
        return PROGRAM.fail(BAD_INPUT, str(error))
    print(f"written to {parsed.out}")
    return 0


def make_network() -> tuple[Any, Any]:
    """The deployment where screening counts, and the network in the middle of its law."""
    import jaxcontract as jc
    from jaxcontract.config.presets import STRESS

    law = jc.NetworkDistribution.equal_bands(2)
    edges = np.asarray(law.type_edges, float)
    state = jc.NetworkState(
        max_aoi=float(np.mean(law.aoi_range)),
        max_latency=float(np.mean(law.latency_range)),
        type_probs=np.array([0.5, 0.5]),
        device_types=0.5 * (edges[1:] + edges[:-1]),
    )
    return STRESS, state


def find_floor(family: str, capacity: float, starts: int) -> dict[str, Any]:
    """The least exploitability of a family, over all starts."""
    from scipy.optimize import minimize

    gain, size = make_gain(family, capacity, SEARCHED), FAMILIES[family]
    draws = np.random.default_rng(0)
    found = []
    for _ in range(starts):
        point = draws.normal(size=size)
        for _ in range(REPEATS):
            point = minimize(gain, point, method="Nelder-Mead", options={"maxfev": 150 * size}).x
        found.append(point)
    exact = make_gain(family, capacity, SHOWN)
    gains = [exact(point) for point in found]
    best = int(np.argmin(gains))
    return {
        "capacity": capacity,
        "family": family,
        "floor": gains[best],
        "parameters": list(found[best]),
        "starts": gains,
    }


def make_gain(family: str, capacity: float, places: int) -> Callable[[Any], float]:
    """The exploitability of a member of a family, as a share of what a station can secure."""
    import jax
    import jax.numpy as jnp

    from jaxcontract.evaluation.menu_laws import Experts, list_seconds, menu_law_payoffs, sum_density
    from jaxcontract.evaluation.menu_payoffs import secured_payoff
    from jaxcontract.evaluation.menu_reference import find_stakes

    stakes = find_stakes(*make_network())

    def read(point: jax.Array) -> Experts:
        if family == "two":
            gate, means, log_std = jax.nn.sigmoid(point[0]), point[1:5], point[5:9]
            return Experts(jnp.stack([gate, 1.0 - gate]), means.reshape(2, 2), jnp.exp(log_std.reshape(2, 2)))
        low, high = jnp.zeros(2), jnp.ones(2)
        if family == "fitted":
            low = jax.nn.sigmoid(point[4:6] - 4.0)
            high = low + (1.0 - low) * jax.nn.sigmoid(point[6:8] + 2.0)
        return Experts(jnp.ones(1), point[None, :2], jnp.exp(point[None, 2:4]), low, high)

    @jax.jit
    def gain(point: jax.Array) -> jax.Array:
        experts = read(point)
        experts = experts._replace(std=jnp.maximum(experts.std, LEAST_STD))
        line = jnp.linspace(-REACH, REACH, (places - 2) // len(experts.gate))
        raw = jnp.ravel(experts.means[:, :1] + experts.std[:, :1] * line[None])
        inside = experts.low[0] + (experts.high[0] - experts.low[0]) * jax.nn.sigmoid(raw)
        first = stakes.surplus[0] * jnp.sort(jnp.concatenate([jnp.zeros(1), inside, jnp.ones(1)]))
        law = sum_density(experts, first, list_seconds(first, stakes), stakes)
        earned, best = menu_law_payoffs(law, stakes, capacity)
        return (best - earned) / secured_payoff(stakes, capacity)

    return lambda point: float(gain(jnp.asarray(point)))


def find_equilibrium(capacity: float) -> dict[str, Any]:
    """What an equilibrium on a grid of menus pays, as a share of what a station can secure."""
    from jaxcontract.evaluation.menu_payoffs import secured_payoff
    from jaxcontract.evaluation.menu_reference import find_stakes
    from jaxcontract.mechanism.menu_game import list_menus, menu_payoffs, solve_menu_game

    system, state = make_network()
    found = solve_menu_game(menu_payoffs(system, state, list_menus(system, state, *GRID), capacity))
    unit = float(system.num_devices) * float(secured_payoff(find_stakes(system, state), capacity))
    return {
        "capacity": capacity,
        "family": "equilibrium",
        "payoff": found.payoff / unit,
        "gap": found.gap / unit,
        "menus": int(np.sum(found.weights > 1e-9)),
    }


if __name__ == "__main__":
    sys.exit(main())

"""What the average of a Gaussian's past policies leaves in the capacity game, beside its last one.

PPO with the Gaussian head, as the game begins. The average is declared beforehand: it draws one of the
policies after every 25th of the updates of the last half, and then a payment. It is no Gaussian.
"""

if __name__ == "__main__":
    import _signal

    _signal.pthread_sigmask(_signal.SIG_BLOCK, {_signal.SIGINT})  # until it is listened for
    from jaxcontract.training.signals import leave_at_once

    leave_at_once("average_policies.py")  # also while what follows is imported

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxcontract.cli.options import OneLineParser, count, path
from jaxcontract.cli.program import BAD_INPUT, INTERRUPTED, Program
from jaxcontract.storage.files import write_json

PROGRAM = Program("average_policies.py", "python experiments/average_policies.py")
EPILOG = """\
examples:
  python experiments/average_policies.py
  python experiments/average_policies.py --capacities 0.75 --seeds 2 --num-updates 200

writes a JSON file with every seed's figures.

exit codes: 0 done, 2 bad input, 130 interrupted
"""
EVERY = 25  # updates between two policies
STATES = 8  # unseen networks, which hardly differ in what counts here
RENTS = 2001  # at which the laws of policies are averaged


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line, without JAX; on bad input, one line and exit code 2."""
    from menu_floors import shares

    parser = OneLineParser(prog=PROGRAM.name, description=__doc__, epilog=EPILOG)
    add = parser.add_argument
    add("--capacities", type=shares, default=[0.6, 0.75, 0.9], metavar="L,…", help="(default 0.6,0.75,0.9)")
    add("--seeds", type=count, default=5, metavar="N", help="(default 5)")
    add("--num-updates", type=count, default=600, metavar="N", help="of each seed (default 600)")
    add("--out", type=path, default="runs/average.json", metavar="FILE", help="(default runs/average.json)")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    parsed = parse(arguments)
    rows: list[dict[str, Any]] = []
    try:
        write_json(parsed.out, {"rows": rows})
        for capacity in parsed.capacities:
            rows.append(train(capacity, parsed.seeds, parsed.num_updates))
            means = ", ".join(f"{name} {np.mean(rows[-1][name]):.2%}" for name in ("last", "average"))
            write_json(parsed.out, {"rows": rows})
            print(f"L/M = {capacity:g}: {means}", flush=True)
    except KeyboardInterrupt:
        return PROGRAM.fail(INTERRUPTED, "interrupted")
    except OSError as error:
        return PROGRAM.fail(BAD_INPUT, str(error))
    print(f"written to {parsed.out}")
    return 0


def train(capacity: float, seeds: int, num_updates: int) -> dict[str, Any]:
    """Each seed's exploitability at its end, and that of the average of its policies."""
    from jaxcontract.config.setting import Setting, start_for_game
    from jaxcontract.envs.capacity_config import CapacityGame, CapacityRules
    from jaxcontract.training.seeds import compile_training

    setting = start_for_game(Setting(game=CapacityGame(env=CapacityRules(capacity=capacity))))
    config = setting.algorithm.replace(num_updates=num_updates)
    env, params = setting.game.make()
    training = compile_training(list(range(seeds)), env, params, config)
    reference: Any = setting.game.make_reference(env, params)
    states = reference.test_states(STATES, 1)
    edges = np.linspace(0.0, 1.0, RENTS)
    learners, done, laws = training.start(), 0, []
    while done < num_updates:
        ahead = min(EVERY, num_updates - done)
        learners, _ = training.advance(learners, ahead)
        done += ahead
        if 2 * done > num_updates:
            policies = training.policies(learners)
            laws.append([reference.densities(policy, states, edges) for policy in policies])
    return {
        "capacity": capacity,
        "num_updates": num_updates,
        "policies": len(laws),
        "last": [find_gain(density, edges, capacity) for density in laws[-1]],
        "average": [find_gain(density, edges, capacity) for density in np.mean(laws, axis=0)],
    }


def find_gain(density: np.ndarray, edges: np.ndarray, capacity: float) -> float:
    """The exploitability of a law of rents with this density [E − 1] between edges [E]."""
    import jax

    from jaxcontract.evaluation.payment_laws import law_payoffs

    chances = np.concatenate([[0.0], np.cumsum(density * np.diff(edges))])
    with jax.enable_x64(True):
        earned, best = law_payoffs(
            jax.numpy.asarray(edges), jax.numpy.asarray(chances / chances[-1]), capacity
        )
    return float(best - earned) / (1.0 - capacity)


if __name__ == "__main__":
    sys.exit(main())

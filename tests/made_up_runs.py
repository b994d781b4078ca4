"""Run directories as a training leaves them, with numbers that no training made."""

import json

import numpy as np


def write_run(directory, *, seeds=5, points=4, optimum=2222.0, scale=1.0, feasible=1.0, seed=0, payoff=None):
    """A made-up run; the regret of each seed in each line, [S, P].

    payoff: of an equilibrium, of which exploitability is a share; None where the game has none
    """
    regret = scale * np.random.default_rng(seed).lognormal(size=(seeds, points)) / (1 + np.arange(points))
    directory.mkdir(parents=True)
    rows = [
        {
            "update": point,
            "env_steps": 100 * point,
            "train_seconds": 1.0 * point,
            "optimum": optimum,
            "reward": (optimum - column).tolist(),
            "feasible": [feasible] * seeds,
            "regret": column.tolist() if feasible else [None] * seeds,
            **({"exploitability": (column / payoff).tolist()} if payoff else {}),
            "learner": {},
        }
        for point, column in enumerate(regret.T)
    ]
    (directory / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return regret

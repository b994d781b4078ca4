"""Command lines and directories that ask for what cannot be."""

import subprocess
import sys
from pathlib import Path

from jaxcontract.config.presets import PRESETS
from jaxcontract.config.setting import leaves

SCRIPT = Path(__file__).parents[2] / "experiments" / "run_ppo.py"


def command_lines() -> list[list[str]]:
    """One fault each: every field below, above, of another type, not a number, infinite, and empty."""
    lines = []
    for _, field, _ in leaves(PRESETS["default"]):
        allowed = field.metadata["allowed"]
        option = "--" + field.name.replace("_", "-")
        bad = ["", "many", "nan", "inf", "-inf", "1e400"]
        if allowed.kind == "flag":
            lines.append([f"{option}=yes"])
            continue
        if allowed.kind in ("number", "whole", "sizes"):
            if allowed.low > -1e300:
                bad.append(f"{allowed.low - 1:.0f}")
            if allowed.high < 1e300:
                bad.append(str(allowed.high + 1))
        if allowed.kind in ("whole", "sizes"):
            bad.append("2.5")
        lines += [[f"{option}={value}"] for value in bad]
    counts = ("seeds", "eval-states", "curve-states", "curve-points", "checkpoint-every", "devices")
    lines += [[f"--{name}={value}"] for name in counts for value in ("0", "-1", "2.5", "", "nan")]
    lines += [[f"--stall-limit={value}"] for value in ("0", "-1", "nan", "soon", "")]
    lines += [["--first-seed=-1"], ["--first-seed=99999999999"], ["--preset=best"], ["--no-such-option"]]
    lines += [["--minibatches=8", "--num-envs=8"], ["--minibatches=1", "--num-envs=1"]]
    lines += [["--minibatches=7"], ["--num-envs=100"], ["--min-frequency=0.9", "--max-frequency=0.1"]]
    lines += [["--out=/dev/null"], ["--resume=/nowhere"], ["--resume=.", "--seeds=2"], ["--out=/proc/here"]]
    return lines


def is_refused(arguments: list[str], folder: Path) -> bool:
    """Exit code 2, one line that names the option or its field, no traceback, nothing written."""
    command = [sys.executable, str(SCRIPT), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=folder, check=False)
    name = arguments[0].partition("=")[0].lstrip("-")
    names = (name, name.replace("-", "_"))
    one_line = done.stderr.count("\n") == 1 and any(word in done.stderr for word in names)
    return done.returncode == 2 and one_line and not done.stdout and not any(folder.iterdir())

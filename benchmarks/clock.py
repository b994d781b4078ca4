"""The clock of every benchmark: compiled and run apart, waited for, a median beside its spread."""

import argparse
import dataclasses
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxcontract.files import write_json
from jaxcontract.learning.cores import FAST_RUN, on_cpu, usable_cores
from jaxcontract.options import OneLineParser, count


@dataclasses.dataclass(frozen=True)
class Timing:
    """Seconds of every repeat of one thing, and what compiling it took before."""

    compile_seconds: float
    seconds: Sequence[float]

    def rate(self, amount: float) -> dict[str, float]:
        """How much of an `amount` per repeat is done in a second: median, min, max."""
        rates = [amount / seconds for seconds in self.seconds]
        return {"median": statistics.median(rates), "min": min(rates), "max": max(rates)}

    @property
    def median(self) -> float:
        """Seconds of the median repeat."""
        return statistics.median(self.seconds)


def repeat(run: Callable[[], Any], repeats: int, compile_seconds: float = 0.0) -> Timing:
    """Time what is ready to run: once to warm up, then `repeats` times, each waited for."""
    jax.block_until_ready(run())
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        jax.block_until_ready(run())
        seconds.append(time.perf_counter() - began)
    return Timing(compile_seconds, seconds)


def compiled(
    function: Callable[..., Any], *arguments: Any, options: dict[str, Any] | None = None
) -> tuple[Callable[..., Any], float]:
    """`function` compiled for these arguments, and the seconds that tracing and compiling took."""
    began = time.perf_counter()
    program = jax.jit(function).lower(*arguments).compile(compiler_options=options)
    return program, time.perf_counter() - began


def num_threads() -> int:
    """Threads that keep what JAX computes on busy: one for each core of a CPU, one for another device."""
    return usable_cores() if on_cpu() else 1


def fast_options() -> dict[str, Any] | None:
    """Options of XLA with which a program is compiled for its speed."""
    return FAST_RUN if on_cpu() else None


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """p of cost ∝ size^p, fitted to the logarithms: 1 is linear. NaN for a single size."""
    if len(sizes) < 2:
        return float("nan")
    return float(np.polyfit(np.log(sizes), np.log(costs), 1)[0])


def machine() -> dict[str, Any]:
    """Where the figures come from: device, cores and versions."""
    device = jax.devices()[0]
    return {
        "device": f"{device.platform} ({device.device_kind})",
        "processor": _processor(),
        "cores": usable_cores(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: version(name) for name in ("jax", "jaxlib", "jaxcontract")},
    }


def _processor() -> str:
    """The processor's own name; the platform's where the system does not tell."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text("utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or os.uname().machine


def make_parser(name: str, description: str | None) -> OneLineParser:
    """A command line with what every benchmark takes: `--repeats` and `--json`."""
    parser = OneLineParser(prog=name, description=description)
    parser.add_argument("--repeats", type=count, default=5, metavar="N", help="timed runs (default 5)")
    parser.add_argument("--json", type=output_file, metavar="FILE", help="also write the figures here")
    return parser


def output_file(text: str) -> Path:
    """An option's value as a file that can be written."""
    path = Path(text)
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"{text!r} must be a file in a directory that can be written")
    return path


def picture_file(text: str) -> Path:
    """An option's value as a PNG file that can be written."""
    path = output_file(text)
    if path.suffix != ".png":
        raise argparse.ArgumentTypeError(f"{text!r} must end in .png")
    return path


def numbers(text: str) -> list[int]:
    """An option's value as whole numbers in ascending order, such as 2,8,64."""
    try:
        values = [int(part) for part in text.split(",")]
    except ValueError:
        values = []
    if not values or values != sorted(set(values)) or values[0] < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be ascending whole numbers, such as 2,8,64")
    return values


def report(result: dict[str, Any], file: Path | None) -> None:
    """Write a benchmark's figures with the machine that they come from."""
    if file:
        write_json(file, {"machine": machine(), **result})
        print(f"written to {file}")


def described() -> str:
    """One line for a person: the machine."""
    facts = machine()
    return f"{facts['device']}, {facts['processor']}, {facts['cores']} cores, jax {facts['jax']}"

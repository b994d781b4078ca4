"""The clock of every benchmark: compiled and run apart, waited for, a median beside its spread."""

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

from jaxcontract.training.cores import FAST_RUN, on_cpu, usable_cores


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


def compile_timed(
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

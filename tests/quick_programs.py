"""Programs compiled in a third of the time and run more slowly: for tests of what a script says and writes.

A test of bits or of speed compiles as a person's run does.
"""

import os
from importlib.metadata import version

QUICKLY = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
# The other way of fusing is gone from jaxlib 0.12, whose processes end at a flag that they do not know.
if tuple(map(int, version("jaxlib").split(".")[:2])) < (0, 11):
    QUICKLY += " --xla_cpu_use_fusion_emitters=false"


def compile_quickly() -> dict[str, str]:
    """The environment of a process whose programs are compiled for their results, not for their speed."""
    asked = os.environ.get("XLA_FLAGS", "")
    return {**os.environ, "XLA_FLAGS": f"{asked} {QUICKLY}".strip()}

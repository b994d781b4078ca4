"""Programs compiled in a third of the time and run more slowly: for tests of what a script says and writes.

A test of bits or of speed compiles as a person's run does.
"""

import os
from importlib.metadata import version

# A worker of the tests has one core: it gains nothing by compiling the parts of a program side by side.
IN_ONE_PART = "--xla_cpu_parallel_codegen_split_count=1"  # which changes no bit
SOONER = IN_ONE_PART
# The other way of fusing is gone from jaxlib 0.12, whose processes end at a flag that they do not know.
if tuple(map(int, version("jaxlib").split(".")[:2])) < (0, 11):
    SOONER += " --xla_cpu_use_fusion_emitters=false"
QUICKLY = f"{SOONER} --xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"


def add_flags(flags: str) -> dict[str, str]:
    """This process's environment with flags for XLA in front of those that it has."""
    return {**os.environ, "XLA_FLAGS": f"{flags} {os.environ.get('XLA_FLAGS', '')}".strip()}


def compile_quickly() -> dict[str, str]:
    """The environment of a process whose programs are compiled for their results, not for their speed."""
    return add_flags(QUICKLY)


def compile_as_here() -> dict[str, str]:
    """The environment of a process whose bits are to be those of the tests' own."""
    return add_flags(SOONER)

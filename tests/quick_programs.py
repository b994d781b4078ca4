"""Programs compiled in a third of the time and run more slowly: for tests of what a script says and writes.

A test of bits or of speed compiles as a person's run does.
"""

import contextlib
import os
from collections.abc import Iterator
from importlib.metadata import version

# Each worker of the tests has a core, so that nothing is gained by compiling the parts of a program side by side.
HALF = "--xla_cpu_parallel_codegen_split_count=1"
# The other way of fusing is gone from jaxlib 0.12, whose processes end at a flag that they do not know.
if tuple(map(int, version("jaxlib").split(".")[:2])) < (0, 11):
    HALF += " --xla_cpu_use_fusion_emitters=false"
QUICKLY = f"{HALF} --xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"


@contextlib.contextmanager
def compile_in_half_the_time() -> Iterator[None]:
    """A block at whose end XLA, which reads its flags once, has read these for the process, and for no other."""
    asked = os.environ.get("XLA_FLAGS")
    os.environ["XLA_FLAGS"] = f"{HALF} {asked or ''}".strip()
    yield
    if asked is None:
        del os.environ["XLA_FLAGS"]
    else:
        os.environ["XLA_FLAGS"] = asked


def compile_quickly() -> dict[str, str]:
    """The environment of a process whose programs are compiled for their results, not for their speed."""
    asked = os.environ.get("XLA_FLAGS", "")
    return {**os.environ, "XLA_FLAGS": f"{asked} {QUICKLY}".strip()}

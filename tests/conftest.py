"""Guards for every test: no silent broadcasting between ranks, the long tests only when asked for."""

import os
import tempfile

# Before JAX is imported: programs that two tests compile alike, in this process, in another worker or in one
# that they start, are compiled once.
if "PYTEST_XDIST_WORKER" not in os.environ:
    CACHE = tempfile.TemporaryDirectory(prefix="jaxcontract-tests-")
    os.environ["JAX_COMPILATION_CACHE_DIR"] = CACHE.name
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"

# Files of tests that take longest come first, so that no worker is left alone with one at the end.
LONGEST = (
    "test_several_processes.py",
    "test_reproduction.py",
    "test_faults.py",
    "test_readme.py",
    "test_train.py",
    "test_effort.py",
    "test_time_to_optimum.py",
    "test_roofline.py",
    "test_seeds.py",
    "test_exported_policy.py",
    "test_design_contract.py",
    "test_schemes.py",
    "test_own_parts.py",
    "test_gradient.py",
    "test_ppo.py",
    "test_scarce_types.py",
    "test_extension.py",
    "test_peers.py",
    "test_loggers.py",
    "test_solver.py",
    "test_presentation.py",
)

import jax  # noqa: E402
import pytest  # noqa: E402

from quick_programs import compile_as_here  # noqa: E402

# XLA reads its flags once, when it starts: what tests start compiles as it does for a person.
with pytest.MonkeyPatch.context() as patch:
    patch.setenv("XLA_FLAGS", compile_as_here()["XLA_FLAGS"])
    jax.devices()
jax.config.update("jax_numpy_rank_promotion", "raise")


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="also run the tests that take minutes")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--long"):
        skip = pytest.mark.skip(reason="long: run with --long")
        for item in items:
            if "long" in item.keywords:
                item.add_marker(skip)
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


@pytest.fixture(scope="module")
def compiled_quickly():
    """The programs of a module's tests are compiled for their results, not for their speed; no other's are.

    Not for tests of bits, or of what a compiler makes of NaN.
    """
    jax.clear_caches()
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
    jax.clear_caches()


@pytest.fixture
def float64():
    """Run a test in double precision."""
    with jax.enable_x64(True):
        yield

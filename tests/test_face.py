"""The package's face: what it offers, and that looking at it is quick and changes nothing."""

import inspect
import json
import statistics
import subprocess
import sys

import pytest

import jaxcontract as jc

PROMISED = (
    "System",
    "NetworkState",
    "average_aoi",
    "average_latency",
    "quality_of_data",
    "device_utilities",
    "station_utility",
    "certify",
    "optimal_contract",
    "complete_information_contract",
    "pooled_contract",
    "feasible_contract",
    "sample_network",
    "ContractEnv",
    "train",
    "PPOConfig",
    "evaluate",
)

LOOK_AT_EVERY_NAME = """
import json, sys
import jax
before = dict(jax.config.values)

def seen():
    from jax._src import xla_bridge
    return {
        "matplotlib": "matplotlib" in sys.modules,
        "backend": xla_bridge.backends_are_initialized(),
        "settings": [name for name in before if jax.config.values[name] != before[name]],
    }

import jaxcontract as jc
for name in jc.__all__:
    getattr(jc, name)
after_looking = seen()

import matplotlib
jax.devices()
jax.config.update("jax_enable_x64", True)
print(json.dumps([after_looking, seen()]))
"""


def fresh(code):
    """What a new interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def looks():
    """What a new interpreter sees after every name was touched, and after things were done on purpose."""
    return json.loads(fresh(LOOK_AT_EVERY_NAME))


def test_importing_is_quick():
    code = "import time; start = time.perf_counter(); import jaxcontract; print(time.perf_counter() - start)"
    assert statistics.median(float(fresh(code)) for _ in range(3)) <= 1.5


def test_importing_alone_imports_neither_jax_nor_matplotlib():
    code = "import sys, jaxcontract; print({'jax', 'matplotlib'} & sys.modules.keys() or 'neither')"
    assert fresh(code) == "neither"


def test_touching_every_name_leaves_matplotlib_out(looks):
    assert [look["matplotlib"] for look in looks] == [False, True]


def test_touching_every_name_starts_no_backend(looks):
    assert [look["backend"] for look in looks] == [False, True]


def test_touching_every_name_changes_no_jax_setting(looks):
    assert [look["settings"] for look in looks] == [[], ["jax_enable_x64"]]


@pytest.mark.parametrize("name", PROMISED)
def test_promised_names_are_there(name):
    assert name in jc.__all__
    assert callable(getattr(jc, name))


@pytest.mark.parametrize("name", jc.__all__)
def test_every_name_is_its_modules_own_and_says_what_it_is(name):
    value = getattr(jc, name)
    assert value is getattr(sys.modules[jc._HOMES[name]], name)
    assert not inspect.ismodule(value)
    if callable(value):
        doc = inspect.getdoc(value) or ""
        assert len(doc) > 20
        assert not doc.startswith(f"{name}("), "the docstring that dataclasses make up"


def test_the_face_lists_every_name_once():
    assert len(jc.__all__) == len(set(jc.__all__)) > 40
    assert set(jc.__all__) <= set(dir(jc))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'jaxcontract' has no attribute 'optimal_contact'"):
        _ = jc.optimal_contact


def test_star_import_brings_every_name():
    space = {}
    exec("from jaxcontract import *", space)
    assert set(jc.__all__) <= space.keys()

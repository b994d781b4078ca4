"""The map of the package, enforced: who may import whom, and which box only one module opens."""

import ast
import dataclasses
import pathlib
import subprocess
import sys

import pytest

PACKAGE = "jaxcontract"
ROOT = pathlib.Path(__file__).parents[1] / PACKAGE

# From the ground up; a module may import what stands above it in this list. The two wings' own
# `__init__` hold nothing, and the face (`jaxcontract` itself) stands on top of everything.
FLOORS = (
    "mechanism",
    "learning",
    "fields",
    "files",
    "pictures",
    "devices",
    "locking",
    "seal",
    "watching",
    "metrics",
    "statistics",
    "layout",
    "console",
    "pytree",
    "rules",
    "mechanism.system",
    "mechanism.checks",
    "mechanism.feasible_numpy",
    "mechanism.records",
    "mechanism.accumulate",
    "mechanism.freshness",
    "mechanism.effort",
    "mechanism.bisection",
    "mechanism.incentives",
    "mechanism.ironing",
    "mechanism.optimum",
    "mechanism.cycles",
    "mechanism.feasible",
    "mechanism.schemes",
    "mechanism.networks",
    "simulation",
    "spaces",
    "env",
    "learning.config",
    "learning.policy",
    "learning.advantage",
    "learning.loss",
    "learning.rollout",
    "learning.divergence",
    "learning.loop",
    "learning.optimizer",
    "learning.ppo",
    "learning.gradient",
    "learning.cores",
    "learning.seeds",
    "evaluation",
    "scaled",
    "experiment",
    "summary",
    "vectors",
    "checkpoints",
    "interruption",
    "watchdog",
    "keeping",
    "rundir",
    "tables",
    "settings",
    "options",
    "extension",
    "remarks",
    "saved",
    "script",
    "runs",
    "warmstart",
    "description",
    "numpy_policy",
    "deployment",
    "export",
    "figures.backend",
    "figures.style",
    "figures.placing",
    "figures.curves",
    "figures.contracts",
    "figures.designs",
    "figures.grouping",
    "figures.comparisons",
    "figures.simulated",
    "figures",
    "adapters",
    "adapters.hazards",
    "adapters.envs",
    "adapters.stable_baselines3",
)

# Importer, imported: a part of the map stands for all that is in it, "" for the whole package.
WALLS = (
    ("mechanism", ("learning", "env", "evaluation", "figures")),
    ("learning", ("mechanism", "env", "evaluation", "figures")),
    ("env", ("learning",)),
    ("", ("figures",)),
    ("", ("adapters",)),
)

# What is in the box, where the rule holds, who opens it.
BOXES = (
    ("matplotlib", "", "figures"),
    ("optax", "", "learning.optimizer"),
    ("flax.linen", "", "learning.policy"),
    ("flax.nnx", "", "learning.policy"),
    ("jax.random", "mechanism", "mechanism.networks"),
    ("orbax", "", "vectors"),
    ("gymnasium", "", "adapters"),
    ("stable_baselines3", "", "adapters.stable_baselines3"),
)

JAX_FREE = (
    "fields",
    "files",
    "pictures",
    "devices",
    "locking",
    "interruption",
    "seal",
    "watching",
    "metrics",
    "layout",
    "console",
    "rules",
    "mechanism.system",
    "mechanism.checks",
    "mechanism.feasible_numpy",
    "learning.config",
    "settings",
    "options",
    "script",
    "rundir",
    "extension",
    "remarks",
    "saved",
    "warmstart",
    "description",
    "numpy_policy",
)
JAX = ("jax", "jaxlib", "flax", "optax", "chex", "orbax")
OPTIONAL = ("distrax", "gymnax", "tyro", "cvxpy", "flatbuffers", "tensorboardX", "wandb")
OUTSIDE = ("experiments", "benchmarks", "tests")


@dataclasses.dataclass(frozen=True)
class Use:
    """A dotted name that a module imports or reaches through an import; `eager` if at import time."""

    name: str
    eager: bool


def within(name, part):
    return part == "" or name == part or name.startswith(part + ".")


def module_of(path):
    """The module's name on the map: "mechanism/records.py" is "mechanism.records", the face is ""."""
    return ".".join(path.removesuffix(".py").removesuffix("__init__").strip("/").split("/"))


def shown(module):
    return module or PACKAGE


def walk(node, eager=True):
    """Every node below `node`, each with whether it runs when the module is imported."""
    yield node, eager
    for field, value in ast.iter_fields(node):
        deferred = field == "body" and (
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            or (isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"))
        )
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from walk(child, eager and not deferred)


def base_of(node, path):
    """The absolute dotted name that `from … import` starts at."""
    if not node.level:
        return node.module
    folder = [PACKAGE, *path.split("/")[:-1]]
    kept = folder[: len(folder) - node.level + 1]
    return ".".join([*kept, *([node.module] if node.module else [])])


def imports(source, path):
    """(name that the module gives it or None, dotted name, eager) of every import, in any form."""
    for node, eager in walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.asname, alias.name, eager
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield alias.asname or alias.name, f"{base_of(node, path)}.{alias.name}", eager
        elif imports_by_name(node):
            yield None, node.args[0].value, eager


def imports_by_name(node):
    functions = ("import_module", "importlib.import_module", "__import__")
    if not isinstance(node, ast.Call) or ast.unparse(node.func) not in functions:
        return False
    return bool(node.args) and isinstance(node.args[0], ast.Constant)


def attributes(source):
    """(a.b.c, eager) for every chain of attributes, each as long as it is."""
    nodes = [(node, eager) for node, eager in walk(ast.parse(source)) if isinstance(node, ast.Attribute)]
    inner = {id(node.value) for node, _ in nodes}
    return [(ast.unparse(node), eager) for node, eager in nodes if id(node) not in inner]


def uses(source, path):
    """All that a module imports, and what it reaches by attributes of what it imports."""
    imported = list(imports(source, path))
    bound = {target.split(".")[0]: target.split(".")[0] for name, target, _ in imported if name is None}
    bound |= {name: target for name, target, _ in imported if name is not None}
    # Of the face alone it matters only what is reached through it.
    found = {Use(target, eager) for _, target, eager in imported if target != PACKAGE}
    for chain, eager in attributes(source):
        root, *rest = chain.split(".")
        if root in bound:
            found.add(Use(".".join([bound[root], *rest]), eager))
    return found


def home(name, modules):
    """The module of the package that a dotted name belongs to, or None if it is somebody else's."""
    if not within(name, PACKAGE) or name == f"{PACKAGE}.__version__":
        return None
    parts = name.split(".")[1:]
    while parts and ".".join(parts) not in modules:
        parts.pop()
    return ".".join(parts)


def wrong_direction(importer, imported):
    """Why one module may not import another, or None if it may."""
    for part, forbidden in WALLS:
        crossed = [one for one in forbidden if within(imported, one) and not within(importer, one)]
        if within(importer, part) and crossed:
            return f"{shown(part)} may not import {crossed[0]}"
    if importer == "":
        return None
    if imported == "":
        return "the face is on top and nothing inside imports it"
    if FLOORS.index(imported) >= FLOORS.index(importer):
        return f"imports point down, so only {imported} may import {importer}"
    return None


def direction_faults(module, used, modules):
    imported = {home(use.name, modules) for use in used} - {None, module}
    for other in sorted(imported):
        reason = wrong_direction(module, other)
        if reason:
            yield f"{shown(module)} imports {shown(other)}: {reason}"


def box_faults(module, used):
    for box, part, opener in BOXES:
        if not within(module, opener) and within(module, part) and any(within(use.name, box) for use in used):
            yield f"{shown(module)} imports {box}: only {opener} may"


def import_time_faults(module, used):
    for package in OPTIONAL:
        if any(use.eager and within(use.name, package) for use in used):
            yield f"{shown(module)} imports {package} at its top: it is optional, import it where it is used"
    if any(use.eager and within(use.name, "jax.config") for use in used):
        yield f"{shown(module)} touches jax.config at import: the settings belong to the user"
    for folder in OUTSIDE:
        if any(within(use.name, folder) for use in used):
            yield f"{shown(module)} imports {folder}: the package stands below it"


def path_to_jax(module, used_by, modules, seen=frozenset()):
    """The modules through which importing `module` imports JAX, or None if it does not."""
    eager = {use.name for use in used_by.get(module, ()) if use.eager}
    if any(within(name, package) for name in eager for package in JAX):
        return [module]
    parent = module.rpartition(".")[0]
    following = {home(name, modules) for name in eager} | {parent}
    for other in sorted(following - {None, module} - seen):
        path = path_to_jax(other, used_by, modules, seen | {module})
        if path:
            return [module, *path]
    return None


def faults(sources):
    """All that is wrong with a package, given as {"mechanism/records.py": source, …}."""
    used_by = {module_of(path): uses(source, path) for path, source in sources.items()}
    modules = {*used_by, *FLOORS} - {""}
    found = [f"{module} is not on the map" for module in sorted(modules - {*FLOORS})]
    for module, used in used_by.items():
        if module == "" or module in FLOORS:
            found += direction_faults(module, used, modules)
            found += box_faults(module, used)
            found += import_time_faults(module, used)
    for module in JAX_FREE:
        path = path_to_jax(module, used_by, modules)
        if path:
            through = "".join(f" through {shown(other)}" for other in path[1:])
            found.append(f"{module} imports jax{through}: it must do without")
    return found + face_faults(sources.get("__init__.py", ""))


def face_faults(source):
    """The face imports no room when it is imported, and its two lists of names agree."""
    eager = sorted(use.name for use in uses(source, "__init__.py") if use.eager and within(use.name, PACKAGE))
    found = [f"{PACKAGE} imports {name} eagerly: it is the lazy face" for name in eager]
    typed = {
        (target.rpartition(".")[0], bound)
        for bound, target, is_eager in imports(source, "__init__.py")
        if is_eager is False and within(target, PACKAGE)
    }
    tabled = {(room, name) for room, names in table_of(source).items() for name in names}
    for room, name in sorted(typed ^ tabled):
        where = "its table" if (room, name) in typed else "its TYPE_CHECKING imports"
        found.append(f"{PACKAGE}: {name} of {room} is missing from {where}")
    return found


def table_of(source):
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_ROOMS":
            return ast.literal_eval(node.value)
    return {}


def package_sources():
    return {path.relative_to(ROOT).as_posix(): path.read_text() for path in sorted(ROOT.rglob("*.py"))}


def test_the_package_keeps_to_the_map():
    sources = package_sources()
    assert len(sources) > 15
    assert faults(sources) == []


def test_the_checker_sees_the_imports_of_the_package():
    used = uses((ROOT / "mechanism/records.py").read_text(), "mechanism/records.py")
    homes = {home(use.name, FLOORS) for use in used} - {None}
    assert homes == {"fields", "mechanism.checks", "mechanism.system", "pytree"}


def test_the_face_table_is_read():
    assert "System" in table_of((ROOT / "__init__.py").read_text())["jaxcontract.mechanism.records"]


FAULTY = {
    "mechanism imports learning": (
        {"mechanism/optimum.py": "from jaxcontract.learning.ppo import train"},
        "mechanism.optimum imports learning.ppo: mechanism may not import learning",
    ),
    "learning imports mechanism": (
        {"learning/ppo.py": "import jaxcontract.mechanism.optimum as best"},
        "learning.ppo imports mechanism.optimum: learning may not import mechanism",
    ),
    "learning imports the package of a wing": (
        {"learning/ppo.py": "from jaxcontract import mechanism"},
        "learning.ppo imports mechanism: learning may not import mechanism",
    ),
    "learning imports env": (
        {"learning/rollout.py": "from jaxcontract.env import ContractEnv"},
        "learning.rollout imports env: learning may not import env",
    ),
    "env imports learning": (
        {"env.py": "from jaxcontract.learning.policy import Policy"},
        "env imports learning.policy: env may not import learning",
    ),
    "an import hidden in a function": (
        {"mechanism/records.py": "def late():\n    from ..env import ContractEnv\n    return ContractEnv"},
        "mechanism.records imports env: mechanism may not import env",
    ),
    "an import hidden in a method and a condition": (
        {"env.py": "class A:\n  def f(self):\n    if self:\n      import jaxcontract.learning.ppo"},
        "env imports learning.ppo: env may not import learning",
    ),
    "an import by attribute": (
        {"learning/ppo.py": "import jaxcontract.pytree\nx = jaxcontract.mechanism.optimum.f"},
        "learning.ppo imports mechanism.optimum: learning may not import mechanism",
    ),
    "an import by name": (
        {"learning/ppo.py": "import importlib\nimportlib.import_module('jaxcontract.env')"},
        "learning.ppo imports env: learning may not import env",
    ),
    "an import for the type checker": (
        {"env.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .learning import ppo"},
        "env imports learning.ppo: env may not import learning",
    ),
    "a relative import upwards": (
        {"mechanism/freshness.py": "from . import optimum"},
        "mechanism.freshness imports mechanism.optimum: "
        "imports point down, so only mechanism.optimum may import mechanism.freshness",
    ),
    "an import upwards outside the wings": (
        {"spaces.py": "from .env import EnvParams"},
        "spaces imports env: imports point down, so only env may import spaces",
    ),
    "two modules that import each other": (
        {
            "mechanism/records.py": "from jaxcontract.mechanism.networks import observe",
            "mechanism/networks.py": "from jaxcontract.mechanism.records import System",
        },
        "mechanism.records imports mechanism.networks: "
        "imports point down, so only mechanism.networks may import mechanism.records",
    ),
    "the face from inside": (
        {"env.py": "from jaxcontract import System"},
        "env imports jaxcontract: the face is on top and nothing inside imports it",
    ),
    "the face by attribute": (
        {"runs.py": "import jaxcontract as jc\ndef f():\n    return jc.System()"},
        "runs imports jaxcontract: the face is on top and nothing inside imports it",
    ),
    "figures imported": (
        {"evaluation.py": "from jaxcontract import figures"},
        "evaluation imports figures: jaxcontract may not import figures",
    ),
    "a module without a place": ({"helpers.py": "import math"}, "helpers is not on the map"),
    "matplotlib in evaluation": (
        {"evaluation.py": "import matplotlib.pyplot as plt"},
        "evaluation imports matplotlib: only figures may",
    ),
    "matplotlib in a function of evaluation": (
        {"evaluation.py": "def draw():\n    from matplotlib import pyplot"},
        "evaluation imports matplotlib: only figures may",
    ),
    "adapters imported": (
        {"runs.py": "def f():\n    import jaxcontract.adapters"},
        "runs imports adapters: jaxcontract may not import adapters",
    ),
    "gymnasium outside the adapters": (
        {"evaluation.py": "def f():\n    import gymnasium"},
        "evaluation imports gymnasium: only adapters may",
    ),
    "optax in the policy": (
        {"learning/policy.py": "import optax"},
        "learning.policy imports optax: only learning.optimizer may",
    ),
    "layers in ppo": (
        {"learning/ppo.py": "import flax\nlayer = flax.linen.Dense(3)"},
        "learning.ppo imports flax.linen: only learning.policy may",
    ),
    "random numbers in the mechanism": (
        {"mechanism/optimum.py": "import jax\ndef f(key):\n    return jax.random.normal(key)"},
        "mechanism.optimum imports jax.random: only mechanism.networks may",
    ),
    "random numbers in the mechanism, imported": (
        {"mechanism/schemes.py": "from jax import random"},
        "mechanism.schemes imports jax.random: only mechanism.networks may",
    ),
    "an optional package at the top": (
        {"evaluation.py": "try:\n    import cvxpy\nexcept ImportError:\n    cvxpy = None"},
        "evaluation imports cvxpy at its top: it is optional, import it where it is used",
    ),
    "jax.config at import": (
        {"env.py": "import jax\njax.config.update('jax_enable_x64', True)"},
        "env touches jax.config at import: the settings belong to the user",
    ),
    "jax.config imported": (
        {"env.py": "from jax import config"},
        "env touches jax.config at import: the settings belong to the user",
    ),
    "the package imports its tests": (
        {"evaluation.py": "def f():\n    import tests.conftest"},
        "evaluation imports tests: the package stands below it",
    ),
    "jax in a module that must do without": (
        {"fields.py": "import jax.numpy as jnp"},
        "fields imports jax: it must do without",
    ),
    "jax through another module": (
        {"options.py": "from jaxcontract.pytree import register", "pytree.py": "import jax"},
        "options imports jax through pytree: it must do without",
    ),
    "jax through the wing's own __init__": (
        {"learning/config.py": "", "learning/__init__.py": "import chex"},
        "learning.config imports jax through learning: it must do without",
    ),
    "an eager face": (
        {"__init__.py": "from jaxcontract.env import ContractEnv"},
        "jaxcontract imports jaxcontract.env.ContractEnv eagerly: it is the lazy face",
    ),
    "a face whose table lacks a name": (
        {
            "__init__.py": "if TYPE_CHECKING:\n"
            "    from jaxcontract.env import ContractEnv as ContractEnv, EnvParams as EnvParams\n"
            "_ROOMS = {'jaxcontract.env': ('ContractEnv',)}"
        },
        "jaxcontract: EnvParams of jaxcontract.env is missing from its table",
    ),
    "a face whose type checker lacks a name": (
        {"__init__.py": "_ROOMS = {'jaxcontract.env': ('ContractEnv',)}"},
        "jaxcontract: ContractEnv of jaxcontract.env is missing from its TYPE_CHECKING imports",
    ),
}


@pytest.mark.parametrize("fault", FAULTY)
def test_the_checker_reports_exactly_one_fault(fault):
    sources, expected = FAULTY[fault]
    assert faults(sources) == [expected]


SOUND = {
    "downwards": {"env.py": "from jaxcontract.mechanism.records import System\nfrom .spaces import Box"},
    "evaluation may import both wings": {
        "evaluation.py": "from .mechanism import optimum\nfrom .learning.ppo import train"
    },
    "openers open": {
        "figures.py": "import matplotlib.pyplot",
        "learning/optimizer.py": "import optax",
        "learning/policy.py": "import flax.linen as nn",
        "mechanism/networks.py": "import jax\nx = jax.random.key",
    },
    "records anywhere": {"mechanism/records.py": "import flax.struct"},
    "random numbers in the learner": {"learning/rollout.py": "import jax\nx = jax.random.split"},
    "optional packages where they are used": {
        "evaluation.py": "def f():\n    import cvxpy\n    return cvxpy"
    },
    "the version": {"runs.py": "import jaxcontract\nversion = jaxcontract.__version__"},
    "jax.config in a function": {"settings.py": "def f():\n    import jax\n    return jax.config"},
    "a lazy face": {
        "__init__.py": "if TYPE_CHECKING:\n    from jaxcontract.env import ContractEnv as ContractEnv\n"
        "_ROOMS = {'jaxcontract.env': ('ContractEnv',)}"
    },
}


@pytest.mark.parametrize("case", SOUND)
def test_the_checker_lets_sound_sources_pass(case):
    assert faults(SOUND[case]) == []


def run_fresh(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)


def test_the_face_leaves_matplotlib_out():
    done = run_fresh("import sys, jaxcontract; assert 'matplotlib' not in sys.modules")
    assert done.returncode == 0, done.stderr


def test_jax_free_modules_do_without_jax():
    existing = [f"{PACKAGE}.{name}" for name in JAX_FREE if (ROOT / f"{name.replace('.', '/')}.py").exists()]
    assert len(existing) >= 3
    done = run_fresh(f"import sys, {', '.join(existing)}; assert 'jax' not in sys.modules")
    assert done.returncode == 0, done.stderr

"""Who may import whom: the contracts in `pyproject.toml`, and what they cannot say."""

import os
import shutil
import subprocess
import sys

import pytest

from paths import ROOT

PACKAGE = ROOT / "jaxcontract"

# What a command line needs before it is parsed.
JAX_FREE = (
    "cli.console",
    "cli.design.command",
    "cli.export",
    "cli.main",
    "cli.options",
    "cli.pictures",
    "cli.plot",
    "cli.program",
    "cli.script",
    "cli.text_tables",
    "cli.train.command",
    "config.setting",
    "core.fields",
    "core.host_policy",
    "envs.budget_config",
    "envs.capacity_config",
    "envs.config",
    "envs.enrolment_budget_config",
    "envs.enrolment_config",
    "envs.round_options",
    "export.description",
    "export.numpy_policy",
    "export.schema1",
    "learning.algorithms.gradient.config",
    "learning.algorithms.ppo.config",
    "learning.config",
    "mechanism.enrolment_law",
    "mechanism.feasible_numpy",
    "mechanism.system",
    "mechanism.validation",
    "storage.arrays",
    "storage.files",
    "storage.locking",
    "storage.manifest",
    "storage.metrics",
    "storage.policies_schema1",
    "storage.policy_files",
    "storage.run_directory",
    "training.devices",
    "training.extension",
    "training.loggers",
    "training.remarks",
    "training.signals",
    "training.warmstart",
)
OPTIONAL = (
    "distrax",
    "gymnax",
    "gymnasium",
    "cvxpy",
    "flatbuffers",
    "openpyxl",
    "pandas",
    "pyarrow",
    "tensorboardX",
    "torch",
    "wandb",
)

# Faults put into a copy of the package, and what the contracts say of them.
FAULTS = {
    "mechanism/optimum.py": (
        "from jaxcontract.learning import loop",
        "jaxcontract.mechanism is not allowed to import jaxcontract.learning",
    ),
    "learning/rollout.py": (
        "import jaxcontract.envs.contract",
        "learning is not allowed to import jaxcontract.envs",
    ),
    "envs/contract.py": (
        "def late():\n    import jaxcontract.cli.options",
        "envs is not allowed to import jaxcontract.cli",
    ),
    "core/fields.py": ("from jaxcontract.core import pytree", "No cycles"),
    "evaluation/report.py": ("import matplotlib.pyplot", "evaluation.report -> matplotlib"),
    "storage/files.py": ("def late():\n    import optax", "storage.files -> optax"),
}


def lint(folder, **environment):
    """What import-linter says of the package in a folder: (whether all contracts are kept, its words)."""
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--config", "pyproject.toml", "--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode == 0, " ".join((done.stdout + done.stderr).split())


def run(code):
    """What a new interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_contracts_are_kept():
    kept, words = lint(ROOT)
    assert kept, words


def test_faults_are_found(tmp_path):
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE, tmp_path / "jaxcontract", ignore=ignore)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for path, (fault, _) in FAULTS.items():
        with (tmp_path / "jaxcontract" / path).open("a") as file:
            file.write(f"\n{fault}\n")
    kept, words = lint(tmp_path)
    assert not kept
    assert [told for _, told in FAULTS.values() if told not in words] == []


def test_the_root_of_the_package_is_bare():
    names = {path.name for path in PACKAGE.iterdir() if path.is_file()}
    assert names <= {"__init__.py", "__main__.py", "py.typed"}
    folders = [path for path in PACKAGE.rglob("*") if path.is_dir() and path.name != "__pycache__"]
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


def test_a_command_line_needs_no_jax():
    modules = [f"jaxcontract.{name}" for name in JAX_FREE]
    heavy = "{'jax', 'jaxlib', 'flax', 'optax', 'chex', 'matplotlib'}"
    found = run(
        f"import importlib, sys\nfor name in {modules!r}:\n    importlib.import_module(name)\n"
        f"    assert not {heavy} & sys.modules.keys(), name\nprint('none')"
    )
    assert found == "none"


def test_no_module_needs_an_optional_library_or_changes_a_setting_when_it_is_imported():
    adapters = ("adapters",)
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.relative_to(PACKAGE).parts[0] not in adapters
        and path.name not in ("__init__.py", "__main__.py")
    ]
    assert len(names) > 60
    found = run(
        f"import importlib, sys\nfor name in {OPTIONAL!r}:\n    sys.modules[name] = None\n"
        "import jax\nbefore = dict(jax.config.values)\n"
        f"for name in {names!r}:\n    importlib.import_module(name)\n"
        "print([name for name in before if jax.config.values[name] != before[name]])"
    )
    assert found == "[]"


@pytest.mark.parametrize("folder", ["jaxcontract", "experiments", "benchmarks"])
def test_nothing_imports_the_tests(folder):
    files = list((ROOT / folder).rglob("*.py"))
    assert files
    assert [
        file for file in files if "import tests" in file.read_text() or "from tests" in file.read_text()
    ] == []

"""Where the scripts and the kept answers are that the tests read."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests"
GOLDEN_FILES = TESTS / "golden"
EXPERIMENTS = ROOT / "experiments"
EXAMPLES = EXPERIMENTS / "examples"
BENCHMARKS = ROOT / "benchmarks"

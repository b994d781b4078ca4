"""Runs that are made longer after their end, and runs that begin with the policies of others."""

import contextlib
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from jaxcontract.cli.train import command
from jaxcontract.learning.algorithms.ppo.config import PPOConfig
from jaxcontract.storage.manifest import read_archives, read_manifest, write_bundle
from jaxcontract.training import extension, seeds
from paths import EXPERIMENTS

SCRIPT = EXPERIMENTS / "run_ppo.py"
SMALL = (
    "--seeds 2 --num-updates 4 --num-envs 64 --hidden-sizes 8 --eval-states 100 --curve-states 100 "
    "--curve-points 2 --checkpoint-every 3"
).split()
CONSTANT = ["--learning-rate", "0.01", "--final-learning-rate", "0.01"]
RESULTS = ("summary.json", "metrics.jsonl", "learning_curve.png", "policy/seed-0.npz", "policy/seed-1.npz")


@pytest.fixture(scope="module", autouse=True)
def quickly():
    """What is compared here does not hang on how well the training was compiled; the time it takes does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seeds, "FAST_RUN", seeds.FAST_COMPILE)
        yield


@pytest.fixture
def run(monkeypatch):
    """The command as a person runs it, in this process: its exit code."""

    def run(*words):
        monkeypatch.setattr("sys.argv", [str(SCRIPT), *map(str, words)])
        return command.main()

    return run


@pytest.fixture
def refused(run, capsys):
    """What a command says that ends with exit code 2."""

    def refused(*words):
        with contextlib.suppress(SystemExit):
            assert run(*words) == 2
        said = capsys.readouterr()
        assert said.err.count("\n") == 1
        return said.err

    return refused


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """A run of 4 updates at one step size, at its end."""
    out = tmp_path_factory.mktemp("ended") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", [str(SCRIPT), *SMALL, *CONSTANT, "--out", str(out)])
        assert command.main() == 0
    return out


@pytest.fixture
def copied(ended, tmp_path):
    return Path(shutil.copytree(ended, tmp_path / "run"))


def read(path):
    return json.loads(path.read_text())


def numbers(out, folder="policy"):
    """Every number of the policies of a run."""
    arrays = []
    for path in sorted((out / folder).glob("seed-*.npz")):
        with np.load(path) as archive:
            arrays += [archive[name].ravel() for name in archive.files]
    return np.concatenate(arrays)


@pytest.fixture(scope="module")
def extended(ended, tmp_path_factory):
    """The run extended to 7 updates, killed when its configuration had changed, and again at its very end."""
    out = Path(shutil.copytree(ended, tmp_path_factory.mktemp("extended") / "run"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", [str(SCRIPT), "--resume", str(out), "--num-updates", "7"])
        with pytest.MonkeyPatch.context() as killed:
            killed.setattr(extension, "forget_earlier_results", lambda *_: False)
            killed.setattr("jaxcontract.cli.train.results.save", kill)
            assert command.main() == 5
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            assert command.main() == 0
    return out, said.getvalue()


def kill(*_):
    raise OSError("killed")


@pytest.mark.long
def test_a_run_that_was_extended_at_one_step_size_is_one_longer_run_bit_for_bit(
    run, ended, extended, tmp_path
):
    out, said = extended
    assert "extended at update 4: the step size is constant" in said
    assert "going on at update 7 of 7" in said
    assert run(*SMALL, *CONSTANT, "--num-updates", "7", "--out", tmp_path / "longer") == 0
    np.testing.assert_array_equal(numbers(out), numbers(tmp_path / "longer"))
    assert read(out / "summary.json")["seeds"] == read(tmp_path / "longer" / "summary.json")["seeds"]
    for name in RESULTS:
        assert (out / "updates-4" / name).read_bytes() == (ended / name).read_bytes()


@pytest.mark.long
def test_all_of_an_extended_run_speaks_of_the_extended_run(extended, run, refused, capsys, tmp_path):
    out, _ = extended
    asked = read(out / "config.json")["run"]
    assert asked["setting"]["algorithm"]["num_updates"] == 7
    assert asked["extended_from"] == [4]
    assert read(out / "updates-4" / "config.json")["run"]["setting"]["algorithm"]["num_updates"] == 4
    assert read(out / "checkpoints" / "7" / "manifest.json")["body"]["notes"]["run"] == asked
    assert read(out / "policy" / "policy.json")["body"]["notes"]["setting"] == asked["setting"]
    summary = read(out / "summary.json")
    assert (summary["num_updates"], summary["extended_from"], summary["env_steps_per_seed"]) == (7, [4], 448)
    assert summary["remarks"][0].startswith("extended at update 4")
    updates = [json.loads(line)["update"] for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert updates == [0, 2, 4, 7]

    assert run("--resume", out, "--num-updates", "7") == 0
    assert "this run has ended" in capsys.readouterr().out
    assert "must be above 7" in refused("--resume", out, "--num-updates", "5")
    assert "PPOConfig.num_updates = -1" in refused("--resume", out, "--num-updates", "-1")
    again = [*SMALL, *CONSTANT, "--num-updates", "7", "--out", out]
    assert "extended_from is [4] there, None here" in refused(*again)
    begun = shutil.copytree(out, tmp_path / "begun")
    (begun / "summary.json").unlink()
    assert "has not come to its end, update 7" in refused("--resume", begun, "--num-updates", "8")


def test_a_run_that_cannot_be_extended_stays_as_it_is(copied, refused):
    (copied / "checkpoints" / "4").rename(copied / "away")
    before = {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()}
    said = refused("--resume", copied, "--num-updates", "6")
    assert "cannot be extended, its checkpoint of update 4 does not verify" in said
    assert {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()} == before

    (copied / "away").rename(copied / "checkpoints" / "4")
    (copied / "updates-4").mkdir()
    assert "updates-4 is there already" in refused("--resume", copied, "--num-updates", "6")
    assert (copied / "summary.json").is_file()


def test_an_extension_says_from_which_step_size_it_goes_on():
    ppo = PPOConfig(num_updates=101, learning_rate=0.1, final_learning_rate=0.0)
    said = extension.remark(ppo, [20, 50])
    assert said.startswith("extended at update 20 and at 50: not the bits of one run of 101 updates")
    assert said.endswith("they go from 0.05 to 0")


def test_a_run_of_another_precision_is_not_extended_and_stays_as_it_is(copied, refused, float64):
    before = {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()}
    said = refused("--resume", copied, "--num-updates", 7)
    assert "computed in float32, and JAX does in float64 now" in said
    assert before == {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()}


def test_a_run_is_not_extended_where_there_is_no_device(copied, refused, monkeypatch):
    def none():
        raise ValueError("no device")

    monkeypatch.setattr(command, "require_device", none)
    assert "no device" in refused("--resume", copied, "--num-updates", 7)
    assert (copied / "summary.json").is_file()
    assert not (copied / "updates-4").exists()


def test_a_run_was_extended_at_updates_that_ascend():
    assert extension.is_well_formed([], 4)
    assert extension.is_well_formed([2, 3], 4)
    for ends in ([3, 2], [4], [0], ["2"], [True], 3, None):
        assert not extension.is_well_formed(ends, 4)


def test_a_run_begins_with_the_policies_of_another_seed_by_seed(run, ended, copied, tmp_path, capsys):
    out = tmp_path / "warm"
    asked = [*SMALL, "--init-from", copied, "--out", out]
    with pytest.MonkeyPatch.context() as patch:  # killed before anything was saved
        patch.setattr("jaxcontract.training.checkpointing.Keeper.start", kill)
        assert run(*asked) == 5
    shutil.rmtree(copied)
    assert run("--resume", out) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"seeds 0, 1 begin with the policies of seeds 0, 1 in {copied}/policy" in said
    assert "not the bits of a longer training" in said
    first = json.loads((out / "metrics.jsonl").read_text().splitlines()[0])
    last = json.loads((ended / "metrics.jsonl").read_text().splitlines()[-1])
    assert first["update"] == 0
    assert first["regret"] == last["regret"]
    assert first["regret"][0] != first["regret"][1]
    np.testing.assert_array_equal(numbers(out, "initial-policy"), numbers(ended))
    assert not np.array_equal(numbers(out), numbers(ended))
    assert read(out / "config.json")["run"]["init_from"]["seeds"] == [0, 1]
    assert read(out / "summary.json")["init_from"]["policy"] == str(copied / "policy")


def edit_policies(directory, edit):
    """Change the numbers of saved policies, as one who saves others in their place does."""
    path = directory / "policy.json"
    manifest = read_manifest(path, "policy")
    archives = read_archives(path, manifest)
    edit(archives)
    write_bundle(path, "policy", manifest.notes, archives)


def test_policies_that_do_not_fit_are_refused_before_anything_is_made(refused, ended, copied, tmp_path):
    out = ["--num-updates", "4", "--seeds", "2", "--out", tmp_path / "out"]
    for words, said in (
        (["--init-from", ended], "hidden_sizes = 8 there, 64,64 here"),
        (["--init-from", ended / "policy", "--hidden-sizes", "8", "--num-types", "3"], "num_types = 2 there"),
        (["--init-from", ended, "--hidden-sizes", "8", "--actions", "raw"], "actions = feasible there, raw"),
        (["--init-from", tmp_path, "--hidden-sizes", "8"], "holds no policies"),
        (["--init-from", ended, "--hidden-sizes", "8", "--initial-std", "1"], "--initial-std"),
    ):
        assert said in refused(*words, *out)
    path = copied / "policy" / "seed-1.npz"
    edit_policies(
        copied / "policy",
        lambda arrays: arrays["seed-1.npz"].update({"parameters/log_std": np.full(4, np.nan, np.float32)}),
    )
    assert "its policy of seed 1 is not finite" in refused("--init-from", copied, "--hidden-sizes", "8", *out)
    path.write_bytes(b"not a policy")
    assert "seed-1.npz: cannot be read" in refused("--init-from", copied, "--hidden-sizes", "8", *out)
    assert not (tmp_path / "out").exists()


def test_other_seeds_take_the_policies_in_their_order(ended):
    from jaxcontract.config.presets import PRESETS
    from jaxcontract.config.setting import change
    from jaxcontract.training.warmstart import describe_source

    setting = change(PRESETS["default"], {"hidden_sizes": (8,)})
    assert describe_source(ended, setting, [1])["seeds"] == [1]
    assert describe_source(ended, setting, [1, 0])["seeds"] == [1, 0]
    assert describe_source(ended / "policy", setting, [7, 8, 9])["seeds"] == [0, 1, 0]
    assert len(set(describe_source(ended, setting, [7, 8, 9])["sha256"])) == 2

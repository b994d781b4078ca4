"""Runs of more seeds, or of more settings, than are trained at a time."""

import csv
import json
import shutil
import signal

import jax
import numpy as np
import pytest

import jaxcontract as jc
from jaxcontract.cli.program import name_command
from jaxcontract.cli.sweep import command as sweep
from jaxcontract.cli.sweep.grid import each_setting, read_grid
from jaxcontract.cli.train import command as train
from jaxcontract.cli.train.waves import programs
from jaxcontract.cli.train.waves import run as waves_run
from jaxcontract.cli.train.waves.members import Point, list_members
from jaxcontract.storage.metrics import read_metrics

SMALL = "--num-updates 4 --num-envs 64 --eval-states 200 --curve-states 200 --curve-points 2".split()
PROGRAM = name_command("sweep")


def weights_of(directory, seed):
    policy = jc.load_policy(directory, seed)
    return jax.tree.leaves((policy.weights, policy.parameters))


def assert_same_policy(one, other, seed):
    jax.tree.map(np.testing.assert_array_equal, weights_of(one, seed), weights_of(other, seed))


def rows_of(directory):
    with (directory / "results.csv").open() as file:
        return list(csv.DictReader(file))


def count_compilations(monkeypatch):
    found = []
    compile_program = programs.compile_program
    monkeypatch.setattr(
        programs, "compile_program", lambda *given: (found.append(given), compile_program(*given))[1]
    )
    return found


@pytest.fixture(scope="module")
def at_once(tmp_path_factory):
    """Five seeds trained together, as ever."""
    out = tmp_path_factory.mktemp("at-once") / "run"
    assert train.main(["--seeds", "5", *SMALL, "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def in_waves(tmp_path_factory):
    """The same seeds, two at a time."""
    out = tmp_path_factory.mktemp("waves") / "run"
    assert train.main(["--seeds", "5", "--wave", "2", *SMALL, "--out", str(out)]) == 0
    return out


def test_seeds_in_waves_end_as_they_do_together(at_once, in_waves):
    folders = sorted((in_waves / "waves").iterdir())
    assert [folder.name for folder in folders] == ["000000-000001", "000002-000003", "000004-000004"]
    wanted = json.loads((at_once / "summary.json").read_text())
    rows = rows_of(in_waves)
    assert [int(row["seed"]) for row in rows] == [0, 1, 2, 3, 4]
    for row, one in zip(rows, wanted["seeds"], strict=True):
        assert row["status"] == "done"
        assert float(row["regret"]) == one["regret"]
        assert_same_policy(in_waves / "waves" / row["wave"], at_once, int(row["seed"]))


def test_the_summary_and_the_curves_are_of_all_seeds(at_once, in_waves):
    found, wanted = (json.loads((out / "summary.json").read_text()) for out in (in_waves, at_once))
    assert (found["num_seeds"], found["num_done"], found["num_waves"]) == (5, 5, 3)
    assert {name: found["mean"][name] for name in wanted["mean"]} == wanted["mean"]
    regrets = [one["regret"] for one in wanted["seeds"]]
    assert found["quantiles"]["0.25"]["regret"] == pytest.approx(np.quantile(regrets, 0.25))
    one, other = read_metrics(in_waves), read_metrics(at_once)
    jax.tree.map(np.testing.assert_array_equal, tuple(one), tuple(other))
    with (in_waves / "curves.csv").open() as file:
        rows = list(csv.DictReader(file))
    last = next(row for row in rows if row["measure"] == "regret" and row["update"] == "4")
    assert float(last["q50"]) == pytest.approx(np.median(other.regret[:, -1]))
    assert (in_waves / "learning_curve.png").stat().st_size > 5000


def test_waves_compile_once(tmp_path, monkeypatch):
    compiled = count_compilations(monkeypatch)
    assert train.main(["--seeds", "3", "--wave", "1", *SMALL, "--out", str(tmp_path / "run")]) == 0
    assert len(compiled) == 1


def test_an_interrupted_run_goes_on_with_its_wave(at_once, tmp_path, monkeypatch, capfd):
    out, told = tmp_path / "run", []
    given = ["--seeds", "5", "--wave", "2", *SMALL, "--out", str(out)]
    show_point = waves_run.WavesProgress.show_point

    def interrupt(self, point, num_updates):
        told.append(point.update)
        if len(told) == 5:  # in the second wave
            signal.raise_signal(signal.SIGTERM)
        show_point(self, point, num_updates)

    with monkeypatch.context() as patch:
        patch.setattr(waves_run.WavesProgress, "show_point", interrupt)
        assert train.main(given) == 143
    assert f"--resume {out}" in capfd.readouterr().err
    assert len(rows_of(out)) == 2
    assert (out / "waves" / "000002-000003" / "checkpoints").is_dir()
    first = (out / "waves" / "000000-000001" / "results.json").stat().st_mtime_ns
    assert train.main(["--resume", str(out)]) == 0
    assert (out / "waves" / "000000-000001" / "results.json").stat().st_mtime_ns == first
    assert not (out / "waves" / "000002-000003" / "checkpoints").exists()
    rows = rows_of(out)
    assert len(rows) == 5
    for row in rows:
        assert_same_policy(out / "waves" / row["wave"], at_once, int(row["seed"]))
    assert train.main(given) == 0  # and says that it has ended


def test_as_many_seeds_go_at_a_time_as_the_memory_holds(monkeypatch):
    request = train.parse(["--seeds", "500", *SMALL])
    (share,) = programs.share_programs(list_members([Point(request)]))
    program = programs.compile_share(share, 1)
    assert programs.plan_wave(share, program, None)[0] == 64
    assert programs.plan_wave(share, program, 100)[0] == 100
    learner = programs.train_together(program, share.members[:1]).start()[0]
    own = programs.COPIES * sum(leaf.nbytes for leaf in jax.tree.leaves(learner))
    fixed = program.engine.memory_bytes
    monkeypatch.setattr(programs, "free_memory", lambda: (fixed + 10.5 * own) / programs.USED)
    count, said = programs.plan_wave(share, program, 100)
    assert count == 10
    assert said.startswith("10 at a time, which takes about ")
    monkeypatch.setattr(programs, "free_memory", lambda: fixed)
    with pytest.raises(ValueError, match=r"one seed needs .*MB, and .*MB are free"):
        programs.plan_wave(share, program, None)


@pytest.mark.parametrize("plan", ["{}", '{"at_a_time": {"0": "x"}}', '{"at_a_time": {"0": 0}}', "{"])
def test_a_damaged_plan_is_made_anew(in_waves, tmp_path, plan):
    out = tmp_path / "run"
    shutil.copytree(in_waves, out)
    (out / "summary.json").unlink()
    (out / "plan.json").write_text(plan)
    assert train.main(["--resume", str(out)]) == 0
    assert json.loads((out / "plan.json").read_text()) == {"at_a_time": {"0": 2}}
    assert (out / "results.csv").read_bytes() == (in_waves / "results.csv").read_bytes()


def test_parts_of_a_run_are_found_by_what_asks_for_the_whole(in_waves, swept):
    with pytest.raises(
        ValueError, match=rf"^{in_waves}: has policies in parts; name one, such as .*-000001$"
    ):
        jc.load_policy(in_waves)
    with pytest.raises(ValueError, match=r": has policies in parts; name one, such as .*learning_rate=1e-2$"):
        jc.load_policy(swept)
    with pytest.raises(ValueError, match=rf"^{swept}: is a sweep; name its settings, {swept}/settings/\*$"):
        read_metrics(swept)
    assert read_metrics(in_waves / "waves" / "000000-000001").reward.shape[0] == 2


def test_a_sweep_and_a_training_know_each_other(at_once, swept, tmp_path, capsys):
    for main, given, said in (
        (train.main, ["--resume", str(swept)], "holds a sweep; `jaxcontract sweep --resume` goes on with it"),
        (
            lambda given: sweep.main(given, PROGRAM),
            ["--resume", str(at_once)],
            "holds no sweep; `train --res",
        ),
    ):
        with pytest.raises(SystemExit) as stopped:
            main(given)
        assert stopped.value.code == 2
        assert said in capsys.readouterr().err
    other = ["--sweep", "learning_rate=1e-3,4e-3", "--seeds", "2", *SMALL, "--out", str(swept)]
    assert sweep.main(other, PROGRAM) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert len(said) < 400


@pytest.mark.parametrize("given", [["--tensorboard"], ["--init-from", "run"]])
def test_what_goes_with_one_wave_only_is_refused(at_once, tmp_path, capsys, given):
    given = [str(at_once) if word == "run" else word for word in given]
    seeds = ["--seeds", "5", "--wave", "2", *SMALL]
    assert train.main([*seeds, *given, "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert given[0] in said
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """Three learning rates, the last of which diverges, by one program."""
    out = tmp_path_factory.mktemp("sweep") / "run"
    given = ["--sweep", "learning_rate=1e-3,1e-2,1e38", "--seeds", "2", *SMALL, "--out", str(out)]
    with pytest.MonkeyPatch.context() as patch:
        compiled = count_compilations(patch)
        assert sweep.main(given, PROGRAM) == 3
    assert len(compiled) == 1
    return out


def test_a_sweep_trains_each_setting_as_it_would_alone(swept, tmp_path):
    out = tmp_path / "alone"
    assert train.main(["--learning-rate", "1e-2", "--seeds", "2", *SMALL, "--out", str(out)]) == 0
    folder = swept / "waves" / "000000-000005" / "learning_rate=1e-2"
    for seed in (0, 1):
        assert_same_policy(folder, out, seed)
    wanted = json.loads((out / "summary.json").read_text())["seeds"]
    rows = [row for row in rows_of(swept) if row["learning_rate"] == "1e-2"]
    assert [float(row["regret"]) for row in rows] == [one["regret"] for one in wanted]
    one, other = read_metrics(swept / "settings" / "learning_rate=1e-2"), read_metrics(out)
    np.testing.assert_array_equal(one.regret, other.regret)


def test_a_setting_that_diverges_is_a_row_that_says_so(swept):
    rows = rows_of(swept)
    status = {(row["learning_rate"], row["seed"]): row["status"] for row in rows}
    assert len(rows) == 6
    assert {key: said for key, said in status.items() if key[0] != "1e38"} == dict.fromkeys(
        [("1e-3", "0"), ("1e-3", "1"), ("1e-2", "0"), ("1e-2", "1")], "done"
    )
    assert status["1e38", "0"].startswith("diverged in update ")
    assert all(row["regret"] == "" for row in rows if row["learning_rate"] == "1e38")
    settings = json.loads((swept / "summary.json").read_text())["settings"]
    assert [(one["values"]["learning_rate"], one["num_done"]) for one in settings] == [
        ("1e-3", 2),
        ("1e-2", 2),
        ("1e38", 0),
    ]
    assert (swept / "sweep.png").stat().st_size > 3000


def test_a_setting_that_the_device_cannot_hold_does_not_end_the_others(tmp_path, monkeypatch, capfd):
    compile_program = programs.compile_program

    def run_out_of_memory(count, env, params, config, devices):
        if config.num_envs == 128:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory\nwhile allocating")
        return compile_program(count, env, params, config, devices)

    monkeypatch.setattr(programs, "compile_program", run_out_of_memory)
    out, small = tmp_path / "run", [word for word in SMALL if word not in ("--num-envs", "64")]
    given = ["--sweep", "num_envs=128,64", "--seeds", "2", *small, "--out", str(out)]
    assert sweep.main(given, PROGRAM) == 3
    assert "wave 000000-000001: JaxRuntimeError; the others go on" in capfd.readouterr().err
    status = {row["num_envs"]: row["status"] for row in rows_of(out)}
    assert status == {"128": "failed: JaxRuntimeError: RESOURCE_EXHAUSTED: out of memory", "64": "done"}
    assert sweep.main(["--resume", str(out)], PROGRAM) == 3


@pytest.mark.long
def test_games_of_a_sweep_have_measures_of_their_own(tmp_path):
    out = tmp_path / "run"
    given = ["--sweep", "game=contract,capacity", "--seeds", "1", *SMALL, "--out", str(out)]
    assert sweep.main(given, PROGRAM) == 0
    contract, capacity = rows_of(out)
    assert (contract["game"], contract["exploitability"]) == ("contract", "")
    assert capacity["game"] == "capacity"
    assert float(capacity["exploitability"]) > 0
    assert (out / "sweep.png").stat().st_size > 3000


def test_a_wave_that_cannot_be_saved_when_it_is_interrupted_says_so(tmp_path, monkeypatch, capfd):
    def interrupt(self, point, num_updates):
        if point.update:
            signal.raise_signal(signal.SIGTERM)

    def fail(*given):
        raise OSError("no space left on device")

    monkeypatch.setattr(waves_run.WavesProgress, "show_point", interrupt)
    monkeypatch.setattr("jaxcontract.storage.checkpoints.Checkpoints.save", fail)
    given = ["--seeds", "2", "--wave", "1", *SMALL, "--out", str(tmp_path / "run")]
    assert train.main(given) == 5
    assert "could not be saved: no space left on device; to go on: " in capfd.readouterr().err


def test_a_grid_of_a_file_is_that_of_the_command_line(tmp_path):
    file = tmp_path / "grid.toml"
    file.write_text('learning-rate = [1e-3, 0.01]\nnum_envs = [64.0, 1_28]\nnetwork = ["mlp"]\nx = [true]\n')
    grid, _ = read_grid(file, ["hidden_sizes=64,64;32"])
    assert grid == {
        "learning_rate": ["0.001", "0.01"],
        "num_envs": ["64", "128"],
        "network": ["mlp"],
        "x": ["true"],
        "hidden_sizes": ["64,64", "32"],
    }
    assert len(list(each_setting(grid))) == 8


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "name what to vary: --sweep learning_rate=1e-3,3e-3, or a file such as grid.toml"),
        (["--sweep", "learning_rate"], "--sweep learning_rate: must be NAME=VALUE,VALUE"),
        (["--sweep", "learning_rate=1,"], "must be NAME=VALUE,VALUE"),
        (["--sweep", "learning_rate=1,1"], "learning_rate: has 1 twice"),
        (["--sweep", "learning_rat=1"], "unknown option --learning-rat; did you mean --learning-rate?"),
        (["--sweep", "learning_rate=fast"], "--learning-rate: invalid float value: 'fast'"),
        (["--sweep", "learning_rate=1e-3,nan"], "learning_rate = nan: must be"),
        (["--sweep", "learning_rate=-1"], "learning_rate = -1.0: must be"),
        (["--sweep", "seeds=1,2"], "--sweep seeds: is of the run, the same for all settings"),
        (["--sweep", "num_envs=64", "--num-envs", "32"], "--num-envs: is varied by the sweep; leave it out"),
        (["--sweep", "num_envs=64", "--sweep", "num_envs=32"], "--sweep num_envs: is varied twice"),
        (["--sweep", "num_envs=64", "--sweep", "num-envs=32"], "--sweep num_envs: is varied twice"),
        (
            ["--sweep", "learning_rate=1e-3,0.001"],
            "learning_rate=0.001: is the setting learning_rate=1e-3, wr",
        ),
        (
            ["--sweep", "no_normalize_advantages=true"],
            "name normalize_advantages, with the values true and false",
        ),
        (["--sweep", "hidden_sizes=64,64"], "has 64 twice; `;` stands between values that have commas"),
        (["--sweep", "=3"], "--sweep =3: must be NAME=VALUE,VALUE"),
        (["--sweep", "processes=1,2"], "--sweep processes: is of the run, the same for all settings"),
        (["--sweep", "num_envs=64", "--processes", "2"], "--coordinator: --coordinator, --processes, --pro"),
        (["--sweep", "num_envs=64,32", "--init-from", "there"], "--init-from: not with a sweep"),
        (["no.toml"], "no.toml: cannot be read (No such file or directory)"),
        (["--resume", "nowhere"], "--resume nowhere: holds no run that can be read (config.json)"),
    ],
)
def test_a_grid_that_cannot_be_is_one_line(capsys, given, said):
    with pytest.raises(SystemExit) as stopped:
        sweep.parse(given)
    assert stopped.value.code == 2
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert said in printed


def test_a_file_is_not_blamed_for_what_the_command_line_says(tmp_path, capsys):
    file = tmp_path / "grid.toml"
    file.write_text("learning_rate = [1e-3]")
    for option, said in (
        ("discount=0.5,2", "error: PPOConfig.discount = 2.0: must be"),
        ("discount=a", "error: argument --discount: invalid float value"),
        ("bogus=1", "error: unknown option --bogus"),
    ):
        with pytest.raises(SystemExit):
            sweep.parse([str(file), "--sweep", option])
        assert f"sweep: {said}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("learning_rate = 1e-3", "learning_rate = 0.001: must be a list of values"),
        ("learning-rate = [1e-3]\nlearning_rate = [2e-3]", "learning_rate: is varied twice"),
        ("learning_rate = []", "learning_rate = []: must be a list of values"),
        ("learning_rate = [{a = 1}]", "must be a number, a word, true, false, or a list of these"),
        ("learning_rate = [inf]", "learning_rate = inf: must be"),
        ("learning_rate = [", "is not TOML"),
        ("", "grid.toml: names no option; name what to vary"),
        ("learning_rate = [1e-3, 0.001]", "grid.toml: learning_rate: has 0.001 twice\n"),
        ("seeds = [2, 3]", "grid.toml: seeds: is of the run, the same for all settings"),
        ("no_normalize_advantages = [true]", "grid.toml: no_normalize_advantages: name normalize_advantages"),
        ('normalize_advantages = ["yes"]', "grid.toml: normalize_advantages = yes: must be true or false"),
        ("num_envs = [true]", "grid.toml: num_envs = true: must be a value, neither true nor false"),
        ('"" = [1]', "grid.toml: '': must be the name of an option"),
        ("learning_rat = [1]", "grid.toml: unknown option --learning-rat; did you mean"),
        (
            "num_envs = [64, 128]\nlearning_rate = [-1]",
            "grid.toml: PPOConfig.learning_rate = -1.0: must",
        ),
    ],
)
def test_a_file_that_is_no_grid_is_one_line(tmp_path, capsys, text, said):
    file = tmp_path / "grid.toml"
    file.write_text(text)
    with pytest.raises(SystemExit) as stopped:
        sweep.parse([str(file)])
    assert stopped.value.code == 2
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert said in printed

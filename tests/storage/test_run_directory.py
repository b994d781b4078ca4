"""A run's directory: made new, found again by the same run, kept from any other."""

import json

import pytest

from jaxcontract.storage.run_directory import open_run, read_run, version_changes

RUN = {"seeds": [0, 1], "setting": {"algorithm": {"learning_rate": 3e-3, "hidden_sizes": (64, 64)}}}


def test_a_run_never_writes_over_anything(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "note").write_text("mine")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match="not empty"):
        open_run(tmp_path / "full", "default", RUN)
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ValueError, match="cannot be made a directory"):
            open_run(path, "default", RUN)
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["note"]


def test_a_run_without_a_name_gets_a_directory_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = [open_run(None, "paper", RUN) for _ in range(3)]
    assert len({run.path for run in made}) == 3
    assert all(run.state == "new" and run.path.parent.name == "runs" for run in made)
    assert all(run.path.name.startswith("paper-") for run in made)


def test_the_same_run_is_found_again_and_known_to_have_ended(tmp_path):
    out = tmp_path / "new" / "deep"
    assert open_run(out, "default", RUN) == (out, "new")
    assert open_run(out, "default", RUN) == (out, "begun")
    (out / "summary.json").write_text("{}")
    assert open_run(out, "default", RUN) == (out, "finished")
    assert read_run(out) == json.loads(json.dumps(RUN))


def test_a_kill_while_the_configuration_was_written_leaves_a_new_run(tmp_path):
    (tmp_path / "config.json.tmp").write_text('{"sche')
    assert open_run(tmp_path, "default", RUN).state == "new"


def test_a_library_that_has_changed_is_named(tmp_path):
    open_run(tmp_path, "default", RUN)
    assert version_changes(tmp_path) == []
    config = json.loads((tmp_path / "config.json").read_text())
    config["versions"]["jax"] = "0.1.2"
    (tmp_path / "config.json").write_text(json.dumps(config))
    (line,) = version_changes(tmp_path)
    assert line.startswith("jax was 0.1.2 when this run began, and is ")


def test_another_run_is_refused_with_what_differs(tmp_path):
    open_run(tmp_path, "default", RUN)
    other = {"seeds": [0, 2], "setting": {"algorithm": {"learning_rate": 1e-3, "hidden_sizes": (64, 64)}}}
    with pytest.raises(ValueError, match=r"seeds is \[0, 1\] there, \[0, 2\] here") as refused:
        open_run(tmp_path, "default", other)
    said = str(refused.value)
    assert "setting.algorithm.learning_rate is 0.003 there, 0.001 here" in said
    assert "hidden_sizes" not in said


def test_a_run_of_another_game_is_told_by_its_name_alone(tmp_path):
    open_run(tmp_path, "default", {"setting": {"game": "contract", "env": {"penalty": -500.0}}})
    with pytest.raises(ValueError, match="holds another run") as refused:
        open_run(tmp_path, "default", {"setting": {"game": "budget", "env": {"num_rounds": 20}}})
    assert str(refused.value).endswith("setting.game is 'contract' there, 'budget' here")


@pytest.mark.parametrize("text", ["", "[]", '{"schema": 1}', '{"schema": 99, "run": {}}', "[" * 100_000])
def test_a_configuration_that_cannot_be_read_is_one_line(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ValueError, match=r"^--resume [^\n]*$"):
        read_run(tmp_path)
    with pytest.raises(ValueError, match="is not empty"):
        open_run(tmp_path, "default", RUN)

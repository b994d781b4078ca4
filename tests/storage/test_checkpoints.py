"""What `tests/faults.py` does not do to checkpoints by the hundred."""

import hashlib
import json
import shutil

import jax
import numpy as np
import pytest

import jaxcontract as jc
from faulty.storage import NOTES, RUN, same, sample
from jaxcontract.core.pytree import from_arrays, to_arrays
from jaxcontract.learning.algorithms.ppo.ppo import init, update
from jaxcontract.learning.divergence import Divergence, as_array, as_divergence
from jaxcontract.storage.checkpoints import Checkpoints, NothingLoadableError
from paths import GOLDEN_FILES


@pytest.fixture
def steps(tmp_path):
    checkpoints = Checkpoints(tmp_path / "steps", RUN)
    for number in (10, 20, 30):
        checkpoints.save(number, sample(number), NOTES)
    return checkpoints


def test_what_was_saved_last_is_loaded_bit_for_bit(steps):
    step = steps.newest(sample(0), pytest.fail)
    assert step.update == 30
    assert same(step.arrays, sample(30))
    assert step.notes == NOTES


def test_the_last_two_steps_are_kept(steps):
    assert steps.updates() == [30, 20]


def test_two_steps_that_verify_are_kept_beside_one_that_does_not(steps):
    (steps.directory / "30" / "manifest.json").write_text("{}")
    steps.save(40, sample(40), NOTES)
    assert steps.updates() == [40, 30, 20]


def test_a_damaged_step_of_the_same_name_is_set_aside_not_lost(steps):
    manifest = steps.directory / "30" / "manifest.json"
    manifest.write_text("{}")
    steps.save(30, sample(31), NOTES)
    assert same(steps.newest(sample(0), pytest.fail).arrays, sample(31))
    (aside,) = steps.directory.glob("30.set-aside-*")
    assert (aside / "manifest.json").read_text() == "{}"


def test_a_step_that_is_passed_over_is_said_once_and_why(steps):
    (steps.directory / "30" / "seed-7.npz").write_bytes(b"short")
    said = []
    assert steps.newest(sample(0), said.append).update == 20
    (line,) = said
    assert "steps/30 is passed over: seed-7.npz: it is damaged: it has 5 bytes, not " in line


def test_nothing_is_not_the_same_as_nothing_that_loads(steps, tmp_path):
    assert Checkpoints(tmp_path / "none", RUN).newest(sample(0), pytest.fail) is None
    for number in (20, 30):
        (steps.directory / str(number) / "manifest.json").write_text("{}")
    with pytest.raises(NothingLoadableError, match="none of its 2 checkpoints can be loaded"):
        steps.newest(sample(0), print)


def test_steps_that_have_lost_their_manifests_are_not_nothing(steps):
    for number in (20, 30):
        (steps.directory / str(number) / "manifest.json").unlink()
    with pytest.raises(NothingLoadableError):
        steps.newest(sample(0), print)


def test_what_is_not_of_this_run_is_never_deleted(steps):
    (steps.directory / "5").mkdir()
    (steps.directory / "5" / "mine").write_text("mine")
    Checkpoints(steps.directory, {"other": 1}).save(6, sample(6), NOTES)
    steps.save(40, sample(40), NOTES)
    assert {"5", "6", "30", "40"} == {path.name for path in steps.directory.iterdir()}


def test_a_step_of_another_run_is_never_loaded(steps):
    other = Checkpoints(steps.directory, RUN | {"seeds": [1, 7]})
    said = []
    with pytest.raises(NothingLoadableError):
        other.newest(sample(0), said.append)
    assert all("belongs to another run" in line for line in said)


def test_arrays_of_other_shapes_are_not_loaded(steps):
    expected = sample(0)
    expected[0]["weights/kernel"] = np.zeros((64, 32), np.float32)
    said = []
    with pytest.raises(NothingLoadableError):
        steps.newest(expected, said.append)
    assert all("its arrays are not those of this run" in line for line in said)


def test_arrays_of_another_precision_are_said_to_be_such(steps):
    double = {
        seed: {name: array.astype(float) for name, array in own.items()} for seed, own in sample(0).items()
    }
    said = []
    with pytest.raises(NothingLoadableError):
        steps.newest(double, said.append)
    assert all("of another precision; set JAX_ENABLE_X64 as it was" in line for line in said)


def test_the_manifest_names_every_array_and_the_digest_of_every_archive(steps):
    body = json.loads((steps.directory / "30" / "manifest.json").read_text())["body"]
    assert (body["schema"], body["kind"]) == (2, "checkpoint")
    archive = body["archives"]["seed-7.npz"]
    data = (steps.directory / "30" / "seed-7.npz").read_bytes()
    assert archive["arrays"][0] == ["weights/kernel", [64, 64], "<f4"]
    assert (archive["size"], archive["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())


def test_numpy_opens_the_archives(steps):
    with np.load(steps.directory / "30" / "seed-7.npz", allow_pickle=False) as archive:
        assert same({7: dict(archive)}, {7: sample(30)[7]})


def test_checkpoints_of_the_version_before_are_refused_in_a_line_that_says_what_to_do(tmp_path):
    shutil.copytree(GOLDEN_FILES / "checkpoint-schema-1", tmp_path / "20")
    with pytest.raises(NothingLoadableError) as refusal:
        Checkpoints(tmp_path, {"seeds": [0]}).newest({0: {"weights": np.zeros(2, np.float32)}}, pytest.fail)
    assert str(refusal.value) == (
        f"{tmp_path}: its checkpoints were written by jaxcontract 0.2, whose checkpoints this version does "
        "not read: finish the run with that version, or begin a new one with its policies by --init-from"
    )


def test_a_learner_survives_being_arrays():
    env = jc.ContractEnv()
    game = {"env": env, "params": env.default_params, "config": jc.PPOConfig(num_envs=8, minibatches=2)}
    begin, go_on = (jax.jit(function, static_argnames="env") for function in (init, update))
    learner = begin(jax.random.key(3), **game)
    again = from_arrays(begin(jax.random.key(4), **game), to_arrays(learner))
    expected = to_arrays(go_on(learner, **game)[0])
    found = to_arrays(go_on(again, **game)[0])
    assert all(array.tobytes() == expected[name].tobytes() for name, array in found.items())


def test_arrays_do_not_change_with_the_learner_that_they_are_of():
    learner = {"weights": jax.numpy.arange(4.0)}
    arrays = to_arrays(learner)
    jax.jit(lambda tree: jax.tree.map(lambda leaf: leaf + 1, tree), donate_argnums=0)(learner)
    np.testing.assert_array_equal(arrays["weights"], np.arange(4.0))


def test_a_divergence_survives_being_an_array():
    divergence = Divergence(7, "gradient")
    assert as_divergence(np.asarray(as_array(divergence))) == divergence
    assert as_divergence(np.array([-1, -1])) is None

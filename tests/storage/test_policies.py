"""Policies on disk: what is written comes back, and what is damaged is refused in one line."""

import json
import pickle
import re
import zipfile

import jax
import numpy as np
import pytest

import jaxcontract as jc
from jaxcontract.config.setting import Setting, change
from jaxcontract.learning.algorithms.ppo.ppo import init
from jaxcontract.learning.divergence import Divergence
from jaxcontract.storage.files import append_json_line, write_json
from jaxcontract.storage.manifest import digest_bytes, encode_manifest
from jaxcontract.storage.policies import save_policies, saved_seeds
from jaxcontract.storage.policies_schema1 import OLDER_PATHS
from jaxcontract.storage.policy_files import refuse_diverged
from paths import GOLDEN_FILES

SETTING = change(Setting(), {"num_types": 3, "hidden_sizes": (8, 4), "num_envs": 16})


@pytest.fixture
def saved(tmp_path):
    env, params = SETTING.game.make()
    policies = {seed: init(jax.random.key(seed), env, params, SETTING.algorithm).policy for seed in (3, 5)}
    save_policies(tmp_path / "policy", policies, SETTING)
    return tmp_path / "policy", policies


def test_a_saved_policy_comes_back_bit_for_bit(saved):
    directory, policies = saved
    observation = jax.random.uniform(jax.random.key(1), (7, 10))
    for seed, policy in policies.items():
        loaded = jc.load_policy(directory, seed)
        assert jax.tree.structure(loaded) == jax.tree.structure(policy)
        np.testing.assert_array_equal(loaded(observation), policy(observation))
    np.testing.assert_array_equal(jc.load_policy(str(directory))(observation), policies[3](observation))


def test_a_policy_comes_back_where_jax_computes_in_double_precision(saved, float64):
    directory, policies = saved
    loaded = jc.load_policy(directory, 5)
    for one, other in zip(jax.tree.leaves(loaded), jax.tree.leaves(policies[5]), strict=True):
        assert one.dtype == np.float32
        np.testing.assert_array_equal(one, other)


def test_a_policy_trained_in_double_precision_comes_back_in_either(saved, tmp_path):
    with jax.enable_x64(True):
        policy = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64) / 3.0, saved[1][3])
        save_policies(tmp_path, {4: policy}, SETTING)
        for one, other in zip(
            jax.tree.leaves(jc.load_policy(tmp_path)), jax.tree.leaves(policy), strict=True
        ):
            assert one.dtype == np.float64
            np.testing.assert_array_equal(one, other)
    for one, other in zip(jax.tree.leaves(jc.load_policy(tmp_path)), jax.tree.leaves(policy), strict=True):
        assert one.dtype == np.float32
        np.testing.assert_array_equal(one, np.asarray(other, np.float32))


def test_the_environment_comes_back_with_it(saved):
    env, params = jc.load_env(saved[0])
    assert env == jc.ContractEnv(num_types=3)
    assert params.system == SETTING.game.problem
    np.testing.assert_allclose(params.distribution.type_edges, [1, 1 + 14 / 3, 1 + 28 / 3, 15], rtol=1e-6)


def test_a_runs_own_directory_will_do(saved, tmp_path):
    directory, policies = saved
    for given in (tmp_path, str(tmp_path), directory):
        loaded = jc.load_policy(given, np.int64(5))
        np.testing.assert_array_equal(loaded.parameters["log_std"], policies[5].parameters["log_std"])
        for one, other in zip(jax.tree.leaves(loaded), jax.tree.leaves(policies[5]), strict=True):
            np.testing.assert_array_equal(one, other)
        assert saved_seeds(given) == [3, 5]
        assert jc.load_env(given) == jc.load_env(directory)
    with pytest.raises(ValueError, match=r"policy: has no policy of seed 5\.0; it has \[3, 5\]"):
        jc.load_policy(tmp_path, 5.0)


def test_a_policy_that_is_not_there_is_refused(saved, tmp_path):
    with pytest.raises(ValueError, match=r"no policy of seed 4; it has \[3, 5\]"):
        jc.load_policy(saved[0], 4)
    with pytest.raises(ValueError, match="cannot be read"):
        jc.load_policy(tmp_path / "nowhere")


def replace_array(path, name, array):
    with np.load(path) as archive:
        arrays = dict(archive)
    arrays[name] = array
    np.savez(path, **arrays)


def replace_member(path, name, data):
    """A file in the archive replaced, the archive itself whole."""
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    members.pop("parameters/log_std.npy", members.pop("log_std.npy", None))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in (members | {f"{name}.npy": data}).items():
            archive.writestr(member, content)


def npy_head(shape, dtype="<f4"):
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def agree(path):
    """Make the manifest beside an archive agree with it, as somebody can who knows how it is made."""
    manifest, data = path.with_name("policy.json"), path.read_bytes()
    body = json.loads(manifest.read_text())["body"]
    body["archives"][path.name] |= {"size": len(data), "sha256": digest_bytes(data)}
    manifest.write_bytes(encode_manifest(body))


# What is done to the archive of a policy with arrays of six numbers, ln of the deviations one of them.
DAMAGES = {
    "truncated": lambda path, _: path.write_bytes(path.read_bytes()[:200]),
    "no archive": lambda path, _: path.write_bytes(b"not an archive"),
    "another shape": lambda path, name: replace_array(path, name, np.zeros(7, np.float32)),
    "another dtype": lambda path, name: replace_array(path, name, np.zeros(6, np.float64)),
    "one more": lambda path, _: replace_array(path, "extra", np.zeros(1)),
    "objects": lambda path, name: replace_array(path, name, np.array([print], dtype=object)),
    "ten gigabytes": lambda path, name: replace_member(path, name, npy_head(f"({10 * 2**30},)") + bytes(24)),
    "a pickle": lambda path, name: replace_member(path, name, npy_head("(6,)", "|O") + pickle.dumps(print)),
    "a deep head": lambda path, name: replace_member(path, name, npy_head("(" * 3000)),
    "16 MB of zeros in 16 kB": lambda path, name: replace_member(path, name, bytes(2**24)),
    "outside": lambda path, name: replace_member(path, f"../{name}", npy_head("(6,)") + bytes(24)),
}


@pytest.mark.parametrize("schema", [1, 2])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_archive_is_refused_in_one_line(saved, damage, schema):
    directory, path = saved[0], saved[0] / "seed-3.npz"
    if schema == 1:
        as_schema_1(directory)
    DAMAGES[damage](path, "log_std" if schema == 1 else "parameters/log_std")
    with pytest.raises(ValueError, match=r"seed-3\.npz: cannot be read as a policy \(.+\)$") as refusal:
        jc.load_policy(directory)
    assert "\n" not in str(refusal.value)
    if schema == 2:
        assert "it is damaged" in str(refusal.value)
        agree(path)
        with pytest.raises(
            ValueError, match=r"seed-3\.npz: cannot be read as a policy \(.+\)$|policy\.json"
        ) as refusal:
            jc.load_policy(directory)
        assert "\n" not in str(refusal.value)
        assert "it is damaged" not in str(refusal.value)


def test_a_policy_whose_archive_is_gone_is_refused_in_one_line(saved):
    (saved[0] / "seed-3.npz").unlink()
    with pytest.raises(ValueError, match=r"seed-3\.npz: cannot be read as a policy \(No such file .*\)$"):
        jc.load_policy(saved[0])
    jc.load_policy(saved[0], 5)


def test_one_changed_number_is_noticed(saved):
    path = saved[0] / "seed-3.npz"
    replace_array(path, "parameters/log_std", np.zeros(6, np.float32))
    with pytest.raises(ValueError, match=r"seed-3\.npz: .*it is damaged"):
        jc.load_policy(saved[0])
    agree(path)
    np.testing.assert_array_equal(jc.load_policy(saved[0]).parameters["log_std"], np.zeros(6))


def as_schema_1(directory):
    """Write the description of a directory of policies as jaxcontract 0.2 wrote it: what it said, bare."""
    path = directory / "policy.json"
    notes = json.loads(path.read_text())["body"]["notes"]
    path.write_text(json.dumps({"schema": 1, **notes}))
    for archive in directory.glob("*.npz"):
        with np.load(archive) as found:
            arrays = {OLDER_PATHS.get(name, name): found[name] for name in found.files}
        np.savez(archive, **arrays)


def test_policies_of_the_version_before_are_read():
    directory = GOLDEN_FILES / "policy-schema-1"
    observation = np.array([40, 2, 0.95, 0.73, 0.84, 0.16, 2, 12], np.float32)
    expected = [-0.001065183780156076, -0.002405035775154829, -0.0013772923266515136, -0.004778616596013308]
    np.testing.assert_allclose(jc.load_policy(directory)(observation), expected, rtol=1e-4)
    with pytest.warns(UserWarning, match="seed 5 diverged in update 7: its gradient is not finite"):
        policy = jc.load_policy(directory, 5)
    expected = [-0.003659486072137952, -0.0019458074821159244, 0.0015314548509195447, 0.002343381056562066]
    np.testing.assert_allclose(policy(observation), expected, rtol=1e-4)
    assert saved_seeds(directory) == [3, 5]
    assert jc.load_env(directory)[0] == jc.ContractEnv(num_types=2)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '{"schema": 99}',
        "[1]",
        '{"schema": 1, "setting": {"x": 1}}',
        '{"schema": 1, "seeds": [3], "setting": {"x": 1}}',
        '{"body": {"schema": 1}}',
        '{"sha256": "0", "body": {"schema": 2}}',
        "[" * 100_000,
    ],
)
def test_a_damaged_description_is_refused_in_one_line(saved, text):
    (saved[0] / "policy.json").write_text(text)
    with pytest.raises(ValueError, match=r"policy\.json") as refusal:
        jc.load_policy(saved[0])
    assert "\n" not in str(refusal.value)


DIVERGED = "seed 3 diverged in update 7: its gradient is not finite, and its policy is the last one that was"


def test_a_policy_of_a_seed_that_diverged_says_so(saved):
    directory, policies = saved
    save_policies(directory, policies, SETTING, {3: Divergence(7, "gradient")})
    said = f"{directory}: {DIVERGED}; of these seeds it is whole: [5]"
    with pytest.warns(UserWarning, match=re.escape(said)):
        policy = jc.load_policy(directory)
    np.testing.assert_array_equal(policy.parameters["log_std"], policies[3].parameters["log_std"])
    with pytest.raises(ValueError, match=re.escape(said)):
        refuse_diverged(directory)
    refuse_diverged(directory, 5)
    jc.load_policy(directory, 5)  # without a warning, which would be an error here
    save_policies(directory, {3: policies[3]}, SETTING, {3: Divergence(7, "gradient")})
    with pytest.raises(ValueError, match="no seed of this run came to its end"):
        refuse_diverged(directory)


def test_a_description_from_before_divergence_was_written_down_is_read(saved):
    directory, _ = saved
    as_schema_1(directory)
    head = json.loads((directory / "policy.json").read_text())
    del head["diverged"]
    (directory / "policy.json").write_text(json.dumps(head))
    jc.load_policy(directory)
    head["diverged"] = ["odd"]
    (directory / "policy.json").write_text(json.dumps(head))
    with pytest.raises(ValueError, match="cannot be read as a policy's description"):
        jc.load_policy(directory)


def test_a_run_that_goes_on_still_is_said_to_have_no_policies_yet(tmp_path):
    with pytest.raises(ValueError, match=r"it is not there; a run has policies when it has ended$"):
        jc.load_policy(tmp_path)


def test_json_is_strict(tmp_path):
    write_json(tmp_path / "a.json", {"x": np.float32(1.5), "y": (float("nan"), np.arange(2))})
    text = (tmp_path / "a.json").read_text()
    assert json.loads(text) == {"x": 1.5, "y": [None, [0, 1]]}
    for _ in range(2):
        append_json_line(tmp_path / "b.jsonl", {"x": float("inf")})
    assert (tmp_path / "b.jsonl").read_text() == '{"x": null}\n' * 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "b.jsonl"]

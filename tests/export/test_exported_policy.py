"""Exported policies: the same answers without what trained them, and none from a file that is not whole."""

import dataclasses
import itertools
import json
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcontract as jc
from jaxcontract.config.presets import PRESETS
from jaxcontract.config.setting import change
from jaxcontract.export.description import description_file, weights_file
from jaxcontract.learning.boxes import make_bijector, make_normalizer
from jaxcontract.mechanism.freshness import least_defined
from jaxcontract.storage.manifest import (
    digest_bytes,
    encode_manifest,
    read_archives,
    read_manifest,
    write_bundle,
)
from jaxcontract.storage.policies import save_policies
from paths import EXPERIMENTS, GOLDEN_FILES
from quick_programs import compile_as_here

SCRIPT = EXPERIMENTS / "export_policy.py"
CASES = {
    "default": change(PRESETS["default"], {"hidden_sizes": (16, 8)}),
    "stress": change(PRESETS["stress"], {"num_types": 5, "hidden_sizes": (16,)}),
    "raw": change(PRESETS["raw"], {"num_types": 3, "hidden_sizes": (8, 8)}),
}
BLOCK = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked}:
            raise ImportError(f"{{name}} is not to be imported here")
sys.meta_path.insert(0, Block())
import numpy as np
states = dict(np.load({states!r}))
"""


def policies_of(setting, seeds):
    """Policies whose contracts differ from state to state, as those of trained ones do."""
    env, params = setting.game.make()
    maps = make_normalizer(env.observation_space(params)), make_bijector(env.action_space(params))
    return {seed: random_policy(setting, *maps, np.random.default_rng(seed)) for seed in seeds}


def random_policy(setting, normalizer, bijector, generator):
    network, head = setting.algorithm.network, setting.algorithm.policy_head
    units = (len(normalizer.center), *network.hidden_sizes, len(bijector.low))
    layers = {}
    for index, (inputs, outputs) in enumerate(itertools.pairwise(units)):
        kernel = generator.normal(scale=inputs**-0.5, size=(inputs, outputs))
        bias = generator.normal(scale=0.3, size=outputs)
        layers[f"Dense_{index}"] = {"kernel": jnp.asarray(kernel, float), "bias": jnp.asarray(bias, float)}
    return jc.NetworkPolicy(
        weights={"params": layers},
        parameters={"log_std": jnp.zeros(len(bijector.low))},
        normalizer=normalizer,
        bijector=bijector,
        network=network,
        head=head,
    )


@pytest.fixture(scope="module", params=["default", "raw", pytest.param("stress", marks=pytest.mark.long)])
def exported(request, tmp_path_factory):
    """(file, directory of the policies) of each case."""
    folder = tmp_path_factory.mktemp(request.param)
    setting = CASES[request.param]
    save_policies(folder / "policy", policies_of(setting, (3, 5)), setting)
    jc.export_policy(folder / "policy", folder / "a.jaxexport", 5)
    return folder / "a.jaxexport", folder / "policy"


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """An exported policy with two types, and one of another seed beside it: a.jaxexport and b.jaxexport."""
    folder = tmp_path_factory.mktemp("original")
    save_policies(folder / "policy", policies_of(CASES["default"], (0, 1)), CASES["default"])
    for name, seed in (("a", None), ("b", 1)):
        jc.export_policy(folder / "policy", folder / f"{name}.jaxexport", seed)
    return folder


@pytest.fixture
def copied(original, tmp_path):
    """The same files, to be damaged."""
    shutil.copytree(original, tmp_path / "copy")
    return tmp_path / "copy" / "a.jaxexport"


def states_of(directory, count):
    return jc.unseen_states(jc.load_env(directory)[1].distribution, count)


def by_name(states):
    return {name: np.asarray(value) for name, value in vars(states).items()}


def original_contracts(directory, seed, states):
    """What the README's way of using a loaded policy gives."""
    policy, (env, params) = jc.load_policy(directory, seed), jc.load_env(directory)

    def contract(state):
        return env.contract(state, policy(jc.observe(params.system, state)), params)

    return jax.jit(jax.vmap(contract))(states)


def elsewhere(code, blocked, states, folder):
    """Contracts that a new interpreter computes, which cannot import some packages."""
    np.savez(folder / "states.npz", **by_name(states))
    code = BLOCK.format(blocked=blocked, states=str(folder / "states.npz")) + code
    code += f"\nnp.savez({str(folder / 'contracts.npz')!r}, frequency=c.frequency, payment=c.payment)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=compile_as_here()
    )
    assert done.returncode == 0, done.stderr
    with np.load(folder / "contracts.npz") as contracts:
        return contracts["frequency"], contracts["payment"]


def test_without_the_training_stack_ten_thousand_answers_have_the_same_bits(exported, tmp_path):
    file, directory = exported
    states = states_of(directory, 10_000)
    code = f"import jaxcontract as jc\nc = jc.load_exported({str(file)!r})(jc.NetworkState(**states))"
    blocked = ("flax", "optax", "chex", "matplotlib", "rich")
    frequency, payment = elsewhere(code, blocked, states, tmp_path)
    expected = original_contracts(directory, 5, states)
    np.testing.assert_array_equal(frequency, expected.frequency)
    np.testing.assert_array_equal(payment, expected.payment)
    assert np.std(frequency, axis=0).min() > 1e-3, "contracts that are all alike would prove nothing"


def test_numpy_alone_gives_the_same_contracts(exported, tmp_path):
    file, directory = exported
    states = states_of(directory, 10_000)
    code = f"import jaxcontract as jc\nc = jc.load_numpy_policy({str(file)!r})(**states)"
    blocked = ("jax", "jaxlib", "flax", "optax", "chex", "matplotlib", "flatbuffers", "scipy")
    frequency, payment = elsewhere(code, blocked, states, tmp_path)
    expected = jc.load_exported(file)(states)
    np.testing.assert_allclose(frequency, expected.frequency, rtol=1e-6)
    np.testing.assert_allclose(payment, expected.payment, rtol=1e-6)


def test_numpy_does_the_arithmetic_of_jax_in_double_precision(exported):
    file, directory = exported
    policy, (env, params) = jc.load_policy(directory, 5), jc.load_env(directory)
    states = {name: value.astype(np.float64) for name, value in by_name(states_of(directory, 500)).items()}
    states["type_probs"] /= states["type_probs"].sum(axis=-1, keepdims=True)
    plain = jc.load_numpy_policy(file)
    as_in_double = plain.feasible_map.replace(least_defined=least_defined(np.float64))
    found = dataclasses.replace(plain, feasible_map=as_in_double)(**states)
    with jax.enable_x64(True):
        double = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf, np.float64)), policy)

        def contract(state):
            return env.contract(state, double(jc.observe(params.system, state)), params)

        expected = jax.jit(jax.vmap(contract))(jc.NetworkState(**states))
    assert expected.frequency.dtype == np.float64
    np.testing.assert_allclose(found.frequency, expected.frequency, rtol=1e-12)
    np.testing.assert_allclose(found.payment, expected.payment, rtol=1e-12)


def test_states_where_no_quality_is_defined_and_extreme_actions_agree(float64):
    from jaxcontract.mechanism.feasible_numpy import FeasibleMap, feasible_items

    generator = np.random.default_rng(0)
    for slot in (1e-3, 0.1, 0.7, 2.0):
        system = jc.System(slot_duration=slot)
        aoi, latency = generator.uniform(0.01, 1.0, (2, 50))
        types = np.sort(generator.uniform(0.5, 15, (50, 4)), axis=-1)
        vectors = generator.normal(scale=100.0, size=(50, 8))
        states = jc.NetworkState(
            max_aoi=aoi, max_latency=latency, type_probs=np.full((50, 4), 0.25), device_types=types
        )
        expected = jax.jit(jax.vmap(jc.feasible_contract, (None, 0, 0)))(system, states, vectors)
        numbers = FeasibleMap(least_defined=least_defined(np.float64))
        found = feasible_items(system, numbers, aoi, latency, types, vectors)
        np.testing.assert_allclose(found[0], expected.frequency, rtol=1e-12)
        np.testing.assert_allclose(found[1], expected.payment, rtol=1e-12)


def test_one_state_and_any_batch_are_answered_in_their_shape(original):
    file = original / "a.jaxexport"
    states = states_of(original / "policy", 6)
    policy, plain = jc.load_exported(file), jc.load_numpy_policy(file)
    for shape in ((), (3,), (3, 2)):
        count = int(np.prod(shape))
        some = first(states, count, shape)
        contract, same = policy(some), plain(**by_name(some))
        assert contract.frequency.shape == contract.payment.shape == (*shape, 2)
        np.testing.assert_allclose(same.payment, contract.payment, rtol=1e-6)
    with pytest.raises(ValueError, match="of one state at least"):
        policy(first(states, 0, (0,)))
    one = first(states, 1, ())
    assert jc.certify(policy.system, one, policy(one)).feasible


def first(states, count, shape):
    """Some of the states, their batch in another shape."""
    return jc.NetworkState(
        **{name: value[:count].reshape(shape + value.shape[1:]) for name, value in by_name(states).items()}
    )


def test_the_artifact_is_for_cpu_and_cuda_and_small(original):
    artifact = jax.export.deserialize(bytearray((original / "a.jaxexport").read_bytes()))
    assert artifact.platforms == ("cpu", "cuda")
    assert (original / "a.jaxexport").stat().st_size < 20_000


def test_nothing_says_on_whose_machine_it_was_written(original):
    for path in (original / f"a.jaxexport{ending}" for ending in ("", ".json", ".npz")):
        text = path.read_bytes()
        for word in (b".py", b"jaxcontract/", str(original).encode(), str(Path.home()).encode()):
            assert word not in text


def test_what_is_written_does_not_depend_on_the_precision_in_use(original, tmp_path):
    with jax.enable_x64(True):
        jc.export_policy(original / "policy", tmp_path / "x.jaxexport")
    bodies = [
        json.loads(description_file(path).read_text())["body"]
        for path in (original / "a.jaxexport", tmp_path / "x.jaxexport")
    ]
    assert bodies[0]["notes"]["self_test"] == bodies[1]["notes"]["self_test"]
    one, other = (
        weights_file(folder / name) for folder, name in ((original, "a.jaxexport"), (tmp_path, "x.jaxexport"))
    )
    assert one.read_bytes() == other.read_bytes()


STATE = {"max_aoi": 0.9, "max_latency": 0.7, "type_probs": [0.8, 0.2], "device_types": [2.0, 12.0]}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"max_aoi": -1.0}, r"NetworkState\.max_aoi = -1\.0: must be positive"),
        ({"max_latency": float("nan")}, r"NetworkState\.max_latency = nan: must be finite numbers"),
        ({"type_probs": [0.8, 0.8]}, r"NetworkState\.type_probs .* sum to 1"),
        ({"device_types": [12.0, 2.0]}, r"NetworkState\.device_types .* ascending"),
        ({"max_aoi": [0.9, 0.8]}, r"NetworkState\.max_aoi .* of shape \(\)"),
        ({"type_probs": [0.5, 0.3, 0.2], "device_types": [1.0, 2.0, 3.0]}, "of the policy's 2 types"),
    ],
)
def test_bad_states_are_refused_by_both(original, change, said):
    policy, plain = (load(original / "a.jaxexport") for load in (jc.load_exported, jc.load_numpy_policy))
    with pytest.raises(ValueError, match=said):
        policy(jc.NetworkState(**{**STATE, **change}))
    with pytest.raises(ValueError, match=said):
        plain(**{**STATE, **change})


def flip(path, position):
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


def reseal(path, edit):
    """A description whose notes were changed by someone who can compute its digest."""
    body = json.loads(path.read_text())["body"]
    edit(body["notes"])
    path.write_bytes(encode_manifest(body))


def rewrite_weights(file, edit):
    """Weights that were changed, and a description that agrees, by someone who can write both."""
    path = description_file(file)
    manifest = read_manifest(path, "export")
    archives = read_archives(path, manifest)
    edit(archives["*.npz"])
    write_bundle(path, "export", manifest.notes, archives)


def pretend(file, data):
    """Another artifact whose digest the description states."""
    file.write_bytes(data)
    reseal(description_file(file), lambda notes: notes["artifact"].update(sha256=digest_bytes(data)))


ARTIFACTS = {
    "truncated": lambda file: file.write_bytes(file.read_bytes()[:-100]),
    "empty": lambda file: file.write_bytes(b""),
    "one bit": lambda file: flip(file, 5000),
    "missing": lambda file: file.unlink(),
    "exchanged": lambda file: shutil.copy(file.with_name("b.jaxexport"), file),
    "both but the digest": lambda file: pretend(file, file.with_name("b.jaxexport").read_bytes()),
    "truncated, digest and all": lambda file: pretend(file, file.read_bytes()[:-5000]),
    "not an artifact": lambda file: pretend(file, b"not an artifact"),
}


@pytest.mark.parametrize("damage", ARTIFACTS)
def test_an_artifact_that_is_not_the_one_is_refused_in_one_line(copied, damage):
    ARTIFACTS[damage](copied)
    with pytest.raises(
        ValueError, match=r"a\.jaxexport: cannot be read as an exported policy \(.+\)$"
    ) as refusal:
        jc.load_exported(copied)
    assert "\n" not in str(refusal.value)


def restate(path, **changes):
    """A description of another form, changed by someone who can compute its digest."""
    path.write_bytes(encode_manifest(json.loads(path.read_text())["body"] | changes))


def remove(*names):
    def edit(body):
        for name in names[:-1]:
            body = body[name]
        del body[names[-1]]

    return edit


DESCRIPTIONS = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_text(""),
    "not JSON": lambda path: path.write_text("{"),
    "deep": lambda path: path.write_text("[" * 100_000),
    "a list": lambda path: path.write_text("[1]"),
    "not text": lambda path: path.write_bytes(b"\xff\xfe\x00"),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-50]),
    "exchanged": lambda path: shutil.copy(path.with_name("b.jaxexport.json"), path),
    "a weight changed": lambda path: path.write_text(re.sub(r"0\.2", "0.3", path.read_text(), count=1)),
    "another schema": lambda path: restate(path, schema=99),
    "another kind": lambda path: restate(path, kind="policy"),
    "no archive": lambda path: restate(path, archives={}),
    "notes that are a number": lambda path: restate(path, notes=3),
    "a body that is a number": lambda path: path.write_bytes(encode_manifest(3)),
    "no self-test": lambda path: reseal(path, remove("self_test")),
    "an empty self-test": lambda path: reseal(path, lambda body: body["self_test"].update(observations=[])),
    "a wrong self-test": lambda path: reseal(path, lambda body: body["self_test"]["payment"][3].reverse()),
    "no system": lambda path: reseal(path, remove("system")),
    "a system that is none": lambda path: reseal(path, lambda body: body["system"].update(unit_profit=-1)),
    "many types": lambda path: reseal(path, lambda body: body.update(num_types=10**12)),
    "types in words": lambda path: reseal(path, lambda body: body.update(num_types="two")),
}


@pytest.mark.parametrize("damage", DESCRIPTIONS)
def test_a_description_that_is_not_the_one_is_refused_in_one_line(copied, damage):
    DESCRIPTIONS[damage](description_file(copied))
    for load in (jc.load_exported, jc.load_numpy_policy):
        with pytest.raises(
            ValueError, match=r"a\.jaxexport.*: cannot be read as an exported policy"
        ) as refusal:
            load(copied)
        assert "\n" not in str(refusal.value)
        assert len(str(refusal.value)) < 600


KERNEL, BIAS = "params/Dense_0/kernel", "params/Dense_0/bias"
WEIGHTS = {
    "a wrong weight": lambda weights: weights.update({KERNEL: weights[KERNEL] + 0.1}),
    "a missing layer": lambda weights: [weights.pop(f"params/Dense_2/{name}") for name in ("kernel", "bias")],
    "a missing bias": lambda weights: weights.pop(BIAS),
    "no layers": lambda weights: weights.clear(),
    "one more kernel": lambda weights: weights.update({"params/Other/kernel": np.zeros((4, 4), np.float32)}),
    "two more arrays": lambda weights: weights.update(a=np.zeros(4), b=np.zeros(4)),
    "a smaller kernel": lambda weights: weights.update({KERNEL: weights[KERNEL][:, :-1]}),
    "a flat kernel": lambda weights: weights.update({KERNEL: weights[KERNEL].ravel()}),
    "a bias that is one number": lambda weights: weights.update({BIAS: np.float32(1.0)}),
    "an infinite bias": lambda weights: weights.update({BIAS: np.full_like(weights[BIAS], np.inf)}),
}
NOTES = {
    "no width": lambda notes: notes["observation"]["width"].__setitem__(3, 0.0),
    "other actions": lambda notes: notes.update(actions="free"),
    "an unknown number": lambda notes: notes["feasible_map"].update(more=1.0),
    "another map": lambda notes: notes["feasible_map"].update(rent_gain=3.0),
}


@pytest.mark.parametrize("damage", [*WEIGHTS, *NOTES])
def test_numpy_refuses_notes_and_weights_that_are_not_the_ones(copied, damage):
    if damage in NOTES:
        reseal(description_file(copied), NOTES[damage])
    else:
        rewrite_weights(copied, WEIGHTS[damage])
    with pytest.raises(
        ValueError, match=r"a\.jaxexport\.json: cannot be read as an exported policy"
    ) as refusal:
        jc.load_numpy_policy(copied)
    assert "\n" not in str(refusal.value)


ARCHIVES = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "one bit": lambda path: flip(path, 400),
    "exchanged": lambda path: shutil.copy(path.with_name("b.jaxexport.npz"), path),
    "a pickle": lambda path: np.savez(path, **{KERNEL: np.array([print], dtype=object)}),
}


@pytest.mark.parametrize("damage", ARCHIVES)
def test_an_archive_of_weights_that_is_not_the_one_is_refused_in_one_line(copied, damage):
    jc.load_numpy_policy(copied)
    ARCHIVES[damage](weights_file(copied))
    with pytest.raises(
        ValueError, match=r"a\.jaxexport\.npz: cannot be read as an exported policy \(.+\)$"
    ) as refusal:
        jc.load_numpy_policy(copied)
    assert "\n" not in str(refusal.value)
    jc.load_exported(copied)  # the artifact has its own weights


def test_the_three_files_may_be_renamed_together(copied):
    for ending in ("", ".json", ".npz"):
        copied.with_name(f"a.jaxexport{ending}").rename(copied.with_name(f"other{ending}"))
    renamed = copied.with_name("other")
    expected = jc.load_exported(renamed)(**STATE)
    np.testing.assert_allclose(jc.load_numpy_policy(renamed)(**STATE).payment, expected.payment, rtol=1e-6)


def test_an_export_of_the_version_before_is_refused_when_it_is_damaged(tmp_path):
    """It has its weights in the JSON; whole, it is read below."""
    path = tmp_path / "a.jaxexport.json"
    body = json.loads((GOLDEN_FILES / "jax-0.12.jaxexport.json").read_text())["body"]
    for edit, said in (
        (lambda: body["layers"][0]["bias"].__setitem__(0, 5.0), "its self-test fails"),
        (lambda: body["layers"][0]["kernel"][0].pop(), ""),
        (lambda: body["layers"][0]["bias"].__setitem__(0, "one"), ""),
        (lambda: body["layers"].clear(), "its layers do not end in 2 units"),
        (lambda: body.pop("layers"), "layers is missing"),
    ):
        edit()
        path.write_bytes(encode_manifest(body))
        with pytest.raises(
            ValueError, match=rf"a\.jaxexport\.json: cannot be read as an exported policy \(.*{said}"
        ) as refusal:
            jc.load_numpy_policy(tmp_path / "a.jaxexport")
        assert "\n" not in str(refusal.value)


def test_no_bit_of_a_description_flips_unnoticed(copied):
    path = description_file(copied)
    whole = path.read_bytes()
    before = json.loads(whole)
    generator = np.random.default_rng(0)
    for position in generator.integers(len(whole), size=40):
        data = bytearray(whole)
        data[position] ^= 1 << generator.integers(8)
        path.write_bytes(data)
        try:
            jc.load_numpy_policy(copied)
        except ValueError:
            continue
        assert json.loads(path.read_text()) == before  # white space


def test_a_digest_from_elsewhere_is_asked_for(original, copied):
    digest = json.loads(description_file(original / "a.jaxexport").read_text())["sha256"]
    reseal(description_file(copied), lambda body: body.update(seed=7))
    for load in (jc.load_exported, jc.load_numpy_policy):
        load(original / "a.jaxexport", sha256=digest)
        load(copied)
        with pytest.raises(ValueError, match=f"its sha256 is .*, not {digest}"):
            load(copied, sha256=digest)


def test_another_version_of_jax_is_warned_of(copied):
    reseal(description_file(copied), lambda body: body["versions"].update(jax="0.9.9"))
    with pytest.warns(UserWarning, match=rf"written by jax 0\.9\.9, read by {re.escape(jax.__version__)}"):
        policy = jc.load_exported(copied)
    assert policy(jc.NetworkState(**STATE)).frequency.shape == (2,)


def test_an_artifact_of_a_newer_jax_is_read_or_says_what_reads_it(capfd):
    """An artifact that jax 0.12.0.1 wrote: 0.10 can take it to pieces, but cannot run it."""
    file = GOLDEN_FILES / "jax-0.12.jaxexport"
    network = {"max_aoi": 0.9, "max_latency": 0.8, "type_probs": [1], "device_types": [2]}
    plain = jc.load_numpy_policy(file)(**network)
    np.testing.assert_allclose((plain.frequency, plain.payment), ([0.70573956], [0.35486537]), rtol=1e-5)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            policy = jc.load_exported(file)
    except ValueError as refusal:
        assert tuple(map(int, jax.__version__.split(".")[:2])) < (0, 12)
        start = f"{file}: written by jax 0.12.0.1, and jax {jax.__version__} cannot run it ("
        assert str(refusal).startswith(start)  # noqa: PT017
        assert str(refusal).endswith("): use load_numpy_policy, which needs no JAX, or jax 0.12.0.1")  # noqa: PT017
        assert "\n" not in str(refusal)  # noqa: PT017
    else:
        np.testing.assert_allclose(policy(**network).payment, plain.payment, rtol=1e-6)
    capfd.readouterr()  # what MLIR has to say of it


def test_both_loaders_take_a_state_or_its_fields_as_people_write_them(original):
    policy, plain = (load(original / "a.jaxexport") for load in (jc.load_exported, jc.load_numpy_policy))
    loose = {"max_aoi": np.float32(0.75), "max_latency": 1, "type_probs": (np.float64(0.25), 0.75)}
    state = jc.NetworkState(**loose, device_types=[2, 3])
    expected = policy(state)
    for call in (policy, plain):
        for found in (call(state), call(**loose, device_types=range(2, 4))):
            np.testing.assert_allclose(found.payment, expected.payment, rtol=1e-6)
    assert jax.jit(policy)(state).payment.shape == (2,)
    for name, call in (("ExportedPolicy", policy), ("NumpyPolicy", plain)):
        allowed = (
            "must be called with a NetworkState, or max_aoi, max_latency, type_probs, device_types by name"
        )
        for given, named, wrong in (
            ((), loose, "device_types missing"),
            ((), {}, "max_aoi, max_latency, type_probs, device_types missing"),
            (([0.5],), {}, "not with a list"),
            ((state,), {"max_aoi": 0.5}, "not with both"),
        ):
            with pytest.raises(ValueError, match=rf"\A{name}: {allowed}; {wrong}\Z"):
                call(*given, **named)


def test_vmap_of_an_exported_policy_says_what_to_do_instead(original):
    policy = jc.load_exported(original / "a.jaxexport")
    states = states_of(original / "policy", 3)
    for call in (jax.vmap(policy), jax.jit(jax.vmap(policy))):
        with pytest.raises(
            NotImplementedError, match=r"\AExportedPolicy: jax\.vmap .*: call it on a batch, "
        ):
            call(states)
    assert policy(states).payment.shape == (3, 2)


@pytest.mark.parametrize("load", [jc.load_exported, jc.load_numpy_policy])
def test_an_empty_name_is_no_policy(load):
    with pytest.raises(ValueError, match=r"\A\.: cannot be read as an exported .*\(this names no file\)\Z"):
        load("")


def test_observations_of_another_length_are_refused_in_words(original):
    policy, plain = (load(original / "a.jaxexport") for load in (jc.load_exported, jc.load_numpy_policy))
    rows = [[0.0] * 7] * 3
    with pytest.raises(ValueError, match=r"ExportedPolicy: observations of shape \(3, 7\): must be \[N, 8\]"):
        policy.answers(rows)
    with pytest.raises(ValueError, match=r"ExportedPolicy: observations of shape \(8,\): must be \[N, 8\]"):
        policy.answers(np.zeros(8))
    with pytest.raises(
        ValueError, match=r"NumpyPolicy: observations of shape \(3, 7\): must be \[\.\.\., 8\]"
    ):
        plain.answers(rows)


def test_nothing_is_overwritten(original, tmp_path):
    (tmp_path / "x").write_text("mine")
    (tmp_path / "y.json").write_text("mine")
    (tmp_path / "z.npz").write_text("mine")
    for name, taken in (("x", "x"), ("y", "y.json"), ("z", "z.npz")):
        with pytest.raises(ValueError, match=f"{taken}: exists already; name a new file"):
            jc.export_policy(original / "policy", tmp_path / name)
    kept = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert kept == {"x": "mine", "y.json": "mine", "z.npz": "mine"}


@pytest.mark.parametrize("taken", ["x", "x.npz", "x.json"])
def test_an_export_that_another_one_overtakes_leaves_nothing_of_its_own(
    original, tmp_path, taken, monkeypatch
):
    def overtake(made):
        (tmp_path / taken).write_text("mine")

    monkeypatch.setattr("jaxcontract.export.artifact.verify", overtake)
    with pytest.raises(ValueError, match=f"{taken}: exists already; name a new file"):
        jc.export_policy(original / "policy", tmp_path / "x")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {taken: "mine"}


def command(*arguments, without=None):
    """Run the script, if need be where a package cannot be found."""
    code = "import importlib.util as u, runpy, sys\nfind = u.find_spec\n"
    code += f"u.find_spec = lambda name, *rest: None if name == {without!r} else find(name, *rest)\n"
    code += (
        f"sys.argv = [{str(SCRIPT)!r}, *sys.argv[1:]]\nrunpy.run_path({str(SCRIPT)!r}, run_name='__main__')"
    )
    words = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(
        words, capture_output=True, text=True, timeout=120, env=compile_as_here(), check=False
    )


def test_the_command_writes_what_the_function_writes(original, tmp_path):
    done = command(original, tmp_path / "c.jaxexport", "--seed", 1)
    assert done.returncode == 0, done.stderr
    body = json.loads((tmp_path / "c.jaxexport.json").read_text())
    assert body == json.loads((original / "b.jaxexport.json").read_text())
    assert body["sha256"] in done.stdout


@pytest.mark.parametrize(
    ("arguments", "without", "said"),
    [
        (("nowhere", "x"), None, "nowhere/policy.json: cannot be read"),
        (("{original}", "{original}/a.jaxexport"), None, "exists already"),
        (("{original}", "{original}/no/x"), None, "there is no directory"),
        (("{original}", "{original}/x", "--seed", "9"), None, "has no policy of seed 9; it has [0, 1]"),
        (("{original}", "{original}/x", "--sed", "9"), None, "did you mean --seed?"),
        (("{original}", "{original}/x"), "flatbuffers", 'pip install "jaxcontract[export]"'),
    ],
)
def test_bad_input_gets_one_line_and_exit_code_two(original, arguments, without, said):
    before = sorted(path.name for path in original.iterdir())
    done = command(*(word.format(original=original) for word in arguments), without=without)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("export_policy.py: error: ")
    assert done.stderr.count("\n") == 1
    assert said in done.stderr
    assert sorted(path.name for path in original.iterdir()) == before


def test_nobody_has_to_read_what_the_command_says(original, tmp_path):
    words = [sys.executable, str(SCRIPT), str(original), str(tmp_path / "d.jaxexport")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0) as running:
        running.stdout.close()
        said = running.stderr.read()
    assert (running.returncode, said) == (0, b"")
    assert description_file(tmp_path / "d.jaxexport").is_file()

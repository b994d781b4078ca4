"""Artifacts of games whose best policy is a distribution: they draw with a key, by the policy's own law."""

import jax
import numpy as np
import pytest

import jaxcontract as jc
from jaxcontract.config.presets import PRESETS
from jaxcontract.export import artifact
from jaxcontract.storage.policies import save_policies

pytestmark = pytest.mark.usefixtures("compiled_quickly")

ROWS = 4000


@pytest.fixture(scope="module", params=["mixture", "diffusion"])
def made(request, tmp_path_factory):
    """(policy, artifact in use, observations) of a fresh policy of the capacity game."""
    folder = tmp_path_factory.mktemp("drawn")
    setting = PRESETS["capacity"]
    if request.param == "diffusion":
        setting = setting.replace(algorithm=setting.algorithm.replace(policy_head=jc.Diffusion()))
    env, params = setting.game.make()
    policy = setting.algorithm.make().init(jax.random.key(3), env, params, setting.algorithm).policy
    save_policies(folder / "policy", {0: policy}, setting)
    jc.export_policy(folder / "policy", folder / "a.jaxexport")
    (observation,) = env.reset(jax.random.key(0), params)[0][:1]
    return policy, jc.load_exported(folder / "a.jaxexport"), np.tile(observation, (ROWS, 1))


def test_draws_follow_the_law_of_the_policy(made):
    policy, exported, rows = made
    found = np.asarray(exported.sample(jax.random.key(1), rows))[:, 0]
    wanted = np.asarray(jax.jit(policy.sample)(jax.random.key(2), rows))[:, 0]
    assert np.all((found > 0) & (found < 1))
    # Two samples of 4,000: quantiles between .1 and .9 differ by less than a twentieth of the range.
    parts = np.linspace(0.1, 0.9, 9)
    np.testing.assert_allclose(np.quantile(found, parts), np.quantile(wanted, parts), atol=0.05)
    np.testing.assert_allclose(exported(rows[:5]), policy(rows[:5]), atol=1e-6)


def test_a_key_gives_its_draws_again_and_another_key_others(made):
    _, exported, rows = made
    first, again, other = (np.asarray(exported.sample(jax.random.key(n), rows[:50])) for n in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.any(first == other)
    np.testing.assert_array_equal(first, exported.sample(jax.random.PRNGKey(1), rows[:50]))
    assert len(np.unique(first)) == 50


@pytest.mark.parametrize(
    ("key", "line"),
    [
        (0, "ExportedActions.sample.key = 0: must be a key of JAX"),
        (
            jax.random.key(0, impl="rbg"),
            r"sample.key: uint32 of shape \(4,\): must be one key of threefry2x32",
        ),
    ],
)
def test_what_is_no_key_is_refused_in_one_line(made, key, line):
    _, exported, rows = made
    with pytest.raises(ValueError, match=line):
        exported.sample(key, rows)


def test_an_artifact_of_before_has_the_mode_alone(made):
    policy, _, rows = made
    program = artifact.export_function(jax.jit(lambda seen: (policy(seen),)), rows.shape[1])
    notes = {"observation": {"center": np.zeros(rows.shape[1])}}
    exported = artifact.make_policy(artifact.deserialize(program), notes)
    np.testing.assert_allclose(exported(rows[:5]), policy(rows[:5]), atol=1e-6)
    with pytest.raises(ValueError, match="an artifact of before, which has the mode alone"):
        exported.sample(jax.random.key(0), rows)

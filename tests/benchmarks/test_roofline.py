"""How close training comes to the machine: counts against an independent count, and the script end to end."""

import json
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import counting
import jaxcontract as jc
import roofline
import stages
from paths import BENCHMARKS
from quick_programs import compile_quickly

TOY = "--scale 0.02 --num-envs 64 --seeds 2 --steps 512 --repeats 2".split()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    file = tmp_path_factory.mktemp("roofline") / "roofline.json"
    command = [sys.executable, str(BENCHMARKS / "roofline.py"), *TOY, "--json", str(file)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=240, env=compile_quickly(), check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(file.read_text()), done.stdout


def products_in(function, *arguments):
    """FLOPs of all matrix products in a function's trace, loops unrolled: a third count of the same."""

    def count(jaxpr):
        total = 0
        for equation in jaxpr.eqns:
            inner = sum(count(body) for body in bodies(equation.params))
            total += inner * equation.params.get("length", 1)
            if equation.primitive.name == "dot_general":
                (contracted, _), _ = equation.params["dimension_numbers"]
                left = equation.invars[0].aval.shape
                depth = np.prod([left[axis] for axis in contracted])
                total += 2 * depth * np.prod(equation.outvars[0].aval.shape)
        return total

    return count(jax.make_jaxpr(function)(*arguments).jaxpr)


def bodies(params):
    if "branches" in params:  # the first computes no values: the discount is 0
        return [params["branches"][0].jaxpr]
    return [
        value.jaxpr if hasattr(value, "consts") else value for value in params.values() if is_trace(value)
    ]


def is_trace(value):
    return hasattr(value, "eqns") or hasattr(value, "jaxpr")


@pytest.mark.parametrize(("num_types", "num_steps"), [(2, 1), (3, 4)])
def test_the_count_by_hand_is_that_of_the_products_traced(num_types, num_steps):
    env = jc.ContractEnv(num_types=num_types)
    config = jc.PPOConfig(
        num_envs=32, num_steps=num_steps, minibatches=4, epochs=3, network=jc.MLP(hidden_sizes=(16, 24))
    )
    hand = counting.by_hand(env, config)
    for name, stage in stages.stages(env, env.default_params, config).items():
        expected = counting.total(hand).flops if name == "whole" else hand[name].flops
        assert products_in(stage.function, *stage.arguments) == config.batch_size * expected, name


@pytest.mark.long
def test_the_compiler_counts_the_products_and_more():
    env = jc.ContractEnv()
    config = jc.PPOConfig(num_envs=512)
    hand, compiler = counting.by_hand(env, config), stages.by_compiler(env, env.default_params, config)
    for name in counting.STAGES:
        assert hand[name].flops <= compiler[name].flops
        assert hand[name].bytes <= compiler[name].bytes
    assert compiler["update"].flops < 1.2 * hand["update"].flops


def test_the_nearer_ceiling_is_the_one_with_the_larger_share():
    hand = {name: counting.Cost(10.0, 1.0) for name in ("rollout", "advantage", "update")}
    run = {"median": 100.0}
    by_flops = roofline.rate(run, {"flops": 6000.0, "bytes": 3000.0}, hand, hand)
    assert (by_flops["nearer_ceiling"], by_flops["share"]) == ("flops", 0.5)
    by_bytes = roofline.rate(run, {"flops": 60000.0, "bytes": 400.0}, hand, hand)
    assert (by_bytes["nearer_ceiling"], by_bytes["share"]) == ("bytes", 0.75)


def test_seeds_in_one_batch_are_computed_each():
    several = stages._batch(lambda learner, factor: learner * factor, 3)
    np.testing.assert_array_equal(several(jnp.arange(2.0), 2.0), np.tile([0.0, 2.0], (3, 1)))


@pytest.mark.long
def test_the_figures_are_complete_and_fit_each_other(finished):
    result, printed = finished
    assert result["machine"]["cores"] >= 1
    assert min(result["ceilings"].values()) > 1e6
    assert result["training"]["feasible"] == 1.0
    seconds = result["seconds per env step"]
    assert set(seconds) == {*counting.STAGES, "whole"}
    assert min(value for name, value in seconds.items() if name != "rollout") > 0
    share = result["shares"]["flops by hand"]
    flops = sum(result["by hand"][name]["flops"] for name in ("rollout", "advantage", "update"))
    assert share == pytest.approx(result["training"]["median"] * flops / result["ceilings"]["flops"])
    for name in counting.STAGES:
        assert any(line.startswith(name) for line in printed.splitlines())


@pytest.mark.parametrize(
    "arguments",
    ["--minibatches 7", "--num-envs 8 --minibatches 8", "--scale 2", "--seeds 0", "--no-such-option"],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        roofline.parse(arguments.split())
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("roofline.py: error: ")
    assert said.count("\n") == 1

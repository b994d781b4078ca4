"""One seed on many devices: its rounds are spread over them, and XLA sums the gradients.

The program is the one of a single device. Only where its arrays lie is said: rounds [..., B] on an axis of a
mesh, weights on every device. What is drawn does not depend on how many there are, so that results differ
by the order of sums alone; in single precision training makes such differences larger as it goes on.

Games of several players gain nothing: a policy is evaluated for all players of all rounds in one batch, which
XLA then computes on every device.
"""

import dataclasses
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxcontract.core.protocols import Environment
from jaxcontract.learning.config import LearnerConfig
from jaxcontract.training.cores import memory_of
from jaxcontract.training.seeds import Engine, Program, as_arrays, one_seed

ROUNDS = "rounds"
SPREAD = ("env_state", "observation")  # the fields of a learner whose last axis is that of the rounds


def compile_data_parallel(
    env: Environment, params: Any, config: LearnerConfig, num_devices: int | None = None
) -> Program:
    """Compile a training of seeds one after another, each on all devices; otherwise as `compile_program`.

    num_devices: how many; by default all of this process

    Raises:
        ValueError: as `find_devices`.
    """
    began = time.perf_counter()
    devices = find_devices(config, num_devices)
    mesh = jax.make_mesh((len(devices),), (ROUNDS,), axis_types=(AxisType.Auto,), devices=devices)
    engine = _compile_on(mesh, env, params, config)
    return Program(engine, config.batch_size, time.perf_counter() - began)


def find_devices(config: LearnerConfig, num_devices: int | None = None) -> list[Any]:
    """The devices that the rounds of a seed are spread over.

    Raises:
        ValueError: when the states that an update begins with do not divide over them.
    """
    devices = jax.local_devices()[:num_devices]
    if config.num_states % len(devices):
        raise ValueError(
            f"--data-parallel: an update begins with {config.num_states} states, which must be a multiple of "
            f"the number of devices, {len(devices)}; see --num-envs and --devices"
        )
    return devices


def _compile_on(mesh: Mesh, env: Environment, params: Any, config: LearnerConfig) -> Engine:
    """Learners are a list, each spread over the mesh."""
    begin, go_on = one_seed(env, config.make())
    member = jax.random.key(0), as_arrays(params), as_arrays(config)
    everywhere = NamedSharding(mesh, PartitionSpec())
    learner = jax.eval_shape(begin, member)
    places = _places(learner, mesh)
    start = jax.jit(begin, in_shardings=everywhere, out_shardings=places).lower(member).compile()
    given, made = (places, everywhere, everywhere), (places, everywhere)
    jitted = jax.jit(go_on, in_shardings=given, out_shardings=made, donate_argnums=0)
    step = jitted.lower(learner, member[1:], jnp.asarray(1)).compile()

    def put(tree):
        return jax.device_put(tree, everywhere)

    def advance_all(learners, members, count):
        learners, found = list(learners), []
        for seed, member in enumerate(members):
            learner = jax.device_put(learners[seed], places)  # where it is, unless it comes from a file
            learners[seed], metrics = step(learner, put(member[1:]), put(jnp.asarray(count)))
            found.append({name: float(value) for name, value in metrics.items()})
        return learners, {name: np.array([one[name] for one in found]) for name in found[0]}

    return Engine(
        num_devices=mesh.size,
        memory_bytes=memory_of(step),
        start=lambda members: [start(put(member)) for member in members],
        advance=advance_all,
        policies=lambda learners: [learner.policy for learner in learners],
        divergences=lambda learners: np.array([learner.divergence for learner in learners]),
        apart=list,
        together=list,
    )


def _places(learner: Any, mesh: Mesh) -> Any:
    """Where each array of a learner lies."""
    everywhere = NamedSharding(mesh, PartitionSpec())

    def spread(leaf: Any) -> NamedSharding:
        return NamedSharding(mesh, PartitionSpec(*[None] * (leaf.ndim - 1), ROUNDS))

    placed = jax.tree.map(lambda _: everywhere, learner)
    return dataclasses.replace(
        placed, **{name: jax.tree.map(spread, getattr(learner, name)) for name in SPREAD}
    )

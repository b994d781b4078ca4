"""Members that one compiled program trains, and how many of them at a time."""

import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax

from jaxcontract.cli.train.waves.members import AT_A_TIME, Member, Point
from jaxcontract.core.protocols import Environment
from jaxcontract.training.cores import on_cpu
from jaxcontract.training.data_parallel import compile_data_parallel
from jaxcontract.training.seeds import Program, Training, as_arrays, compile_program, one_seed
from jaxcontract.training.units import play_in

COPIES = 4  # of a learner on the host: at work, as it was last saved, being saved, its policy
USED = 0.8  # of the memory that is free


class Shape(NamedTuple):
    """What a compiled program depends on; members that share it differ in numbers only."""

    env: Environment
    structure: Any
    leaves: tuple[Any, ...]
    num_updates: int


class Share(NamedTuple):
    """Members, by their numbers, that one program trains, so many at a time."""

    shape: Shape
    members: list[Member]


def shape_of(point: Point) -> Shape:
    """What the program of a setting depends on."""
    env, params = point.request.setting.game.in_learner_units().make()
    point.request.learner.make()  # which registers its record as a pytree
    leaves, structure = jax.tree.flatten((params, point.request.learner))
    kinds = tuple((jax.numpy.shape(leaf), str(jax.numpy.result_type(leaf))) for leaf in leaves)
    return Shape(env, structure, kinds, point.request.num_updates)


def share_programs(members: Sequence[Member]) -> list[Share]:
    """Members by the program that trains them, in the order of the first of each."""
    shares: list[Share] = []
    found: dict[str, Shape] = {}
    for member in members:
        shape = found.get(member.point.name) or shape_of(member.point)
        found[member.point.name] = shape
        own = next((share for share in shares if share.shape == shape), None)
        if own is None:
            own = Share(shape, [])
            shares.append(own)
        own.members.append(member)
    return shares


def refuse_small(shares: Sequence[Share], num_processes: int) -> None:
    """Raises ValueError when a wave would have fewer members than there are processes, before any trains."""
    wave = shares[0].members[0].point.request.wave
    if wave is not None and wave < num_processes:
        raise ValueError(f"--wave {wave}: must be in [{num_processes}, inf), one seed for each process")
    least = min((share.members for share in shares), key=len)
    if len(least) < num_processes:
        first, settings = least[0].point, len({member.point.name for member in least})
        one = f"; {first.name} has a program of its own" if first.values and settings == 1 else ""
        raise ValueError(
            f"--seeds {len(first.request.seeds)}: must be in [{-(-num_processes // settings)}, inf), one for "
            f"each process{one}"
        )


def compile_share(share: Share, count: int) -> Program:
    """The program that trains so many of these members at a time."""
    request = share.members[0].point.request
    env, params = request.setting.game.in_learner_units().make()
    if request.data_parallel:
        return compile_data_parallel(env, params, request.learner, request.devices)
    return compile_program(count, env, params, request.learner, request.devices)


def train_together(program: Program, members: Sequence[Member]) -> Training:
    """The training of these members, in the units in which each one's game is learned."""
    requests = [member.point.request for member in members]
    params = [request.setting.game.in_learner_units().make()[1] for request in requests]
    configs = [request.learner for request in requests]
    return program.training([member.seed for member in members], params, configs)


def in_their_units(members: Sequence[Member], training: Training) -> Training:
    """The training of these members, with policies in the units of each one's game."""
    games = [member.point.request.setting.game for member in members]
    return play_in([None if game.in_learner_units() is game else game.make() for game in games], training)


def plan_wave(share: Share, program: Program, asked: int | None, num_processes: int = 1) -> tuple[int, str]:
    """How many members to train at a time, and why, in words.

    program:       compiled for one member on each device of this process
    num_processes: all with as much memory as this one

    Raises:
        ValueError: when the memory is not enough for one.
    """
    learner = jax.eval_shape(*_first_learner(share))
    own = COPIES * sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(learner))
    devices, limit = program.engine.num_devices, free_memory()
    if on_cpu():
        fixed, each = program.engine.memory_bytes, own
    else:
        fixed, each = 0, program.engine.memory_bytes // devices
    fitting = len(share.members) if limit is None else int((USED * limit - fixed) / each) * devices
    if fitting < 1:
        raise ValueError(f"one seed needs {_told(fixed + each)}, and {_told(limit or 0)} are free")
    fitting *= num_processes
    wanted = asked or (AT_A_TIME * num_processes if on_cpu() else fitting)
    count = min(wanted, fitting, len(share.members))
    left = len(share.members) % count
    if 0 < left < num_processes < count:  # none of which may be idle
        count = -(-len(share.members) // (len(share.members) // count + 1))
    takes = fixed + each * -(-count // num_processes)
    where = f" in each of {num_processes} processes" if num_processes > 1 else ""
    free = "" if limit is None else f" of {_told(limit)} that are free"
    return count, f"{count} at a time, which takes about {_told(takes)}{where}{free}"


def _first_learner(share: Share) -> tuple[Callable[..., Any], Any]:
    """What makes a learner of a share, and of what."""
    request = share.members[0].point.request
    env, params = request.setting.game.in_learner_units().make()
    begin, _ = one_seed(env, request.learner.make())
    return begin, (jax.random.key(0), as_arrays(params), as_arrays(request.learner))


def free_memory() -> int | None:
    """Bytes that nobody uses, of the host on a CPU, else of one device; None where that is not known."""
    if on_cpu():
        names = ("SC_AVPHYS_PAGES", "SC_PAGE_SIZE")
        return (
            int(os.sysconf(names[0]) * os.sysconf(names[1])) if set(names) <= set(os.sysconf_names) else None
        )
    stats = jax.local_devices()[0].memory_stats() or {}
    return stats["bytes_limit"] - stats.get("bytes_in_use", 0) if "bytes_limit" in stats else None


def _told(count: float) -> str:
    return f"{count / 1e9:.2g} GB" if count >= 1e8 else f"{count / 1e6:.2g} MB"

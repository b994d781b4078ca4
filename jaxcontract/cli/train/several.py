"""A training as one of several processes: under a parent, met with the others, and then process 0 or not."""

import json
import os
import shlex
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NoReturn

from jaxcontract.cli.processes import cluster
from jaxcontract.cli.processes.child import Child
from jaxcontract.cli.processes.options import Joining
from jaxcontract.cli.processes.supervisor import supervise
from jaxcontract.cli.program import BAD_INPUT, Program
from jaxcontract.cli.train.options import ANEW
from jaxcontract.cli.train.request import Request, request_told
from jaxcontract.training.devices import NoDeviceError
from jaxcontract.training.processes import (
    Processes,
    UnreachableError,
    check_free,
    connect,
    connect_in_cluster,
    leave,
)
from jaxcontract.training.signals import Interruption
from jaxcontract.training.worker import GONE, Worker, find_worker

FAILED = 1  # as Python ends after a traceback
Lead = Callable[[Program, Processes], int]


def run_as_one(joining: Joining, program: Program, parsed: Any, lead: Lead) -> int:
    """Train as one of several processes: the exit code.

    lead: what process 0 does, and a process that turns out to be alone
    """
    try:
        if joining.cluster and not cluster.is_several(os.environ):
            return lead(program, Processes())
    except ValueError as error:
        return program.fail(BAD_INPUT, str(error))
    worker = find_worker()
    if worker is None:
        return _watch_over(joining, program)
    program = program._replace(call=worker.call)
    try:
        processes = _meet(joining, worker)
    except NoDeviceError as error:
        return program.fail(BAD_INPUT, str(error))
    except UnreachableError as error:
        return program.fail(GONE, f"{error}; start all processes again")
    if processes.count == 1:
        return lead(program, processes)
    unlike = _find_unlike(parsed, processes)
    if unlike:
        code = program.fail(BAD_INPUT, unlike) if _speaks(processes, worker) else BAD_INPUT
    elif processes.leads:
        return _lead(processes, partial(lead, program))
    else:
        code = _follow(processes, parsed)
    processes.part(code)
    return code


def _watch_over(joining: Joining, program: Program) -> int:
    """Run this command as a child: the runtime ends a program whose peer is gone without asking it."""
    call = shlex.join([*shlex.split(program.call), *joining.words])
    return supervise(lambda: [Child(joining.name, sys.orig_argv[1:], call)], program)


def _meet(joining: Joining, worker: Worker) -> Processes:
    def give_up(line: str) -> NoReturn:
        worker.tell(line=f"{line}; start all of them, with the same options")
        leave()

    if not joining.cluster:
        where = joining.coordinator, joining.processes, joining.process_id
        return connect(*where, joining.start_timeout, give_up)
    port = cluster.prepare(os.environ)
    if port and cluster.leads(os.environ):
        check_free(f"0.0.0.0:{port}")
    return connect_in_cluster(joining.start_timeout, give_up)


def _find_unlike(parsed: Any, processes: Processes) -> str:
    """What a process was started with that process 0 was not, in one line; "" where all are alike."""
    options = {name: value for name, value in vars(parsed).items() if name not in ANEW - {"resume"}}
    own = {"--" + name.replace("_", "-"): value for name, value in options.items()} | _facts()
    told = [json.loads(one) for one in processes.gather(json.dumps(own, default=str).encode())]
    for index, other in enumerate(told):
        names = sorted(name for name in told[0].keys() | other.keys() if _differ(name, told[0], other))
        if names:
            named = ", ".join(names)
            return f"process {index} was started with another {named} than process 0; start all with the same"
    return ""


def _facts() -> dict[str, str]:
    """What beside the options makes the numbers of a process."""
    import jax
    import jax.numpy as jnp

    from jaxcontract import __version__

    precision = str(jnp.result_type(float))
    return {"version of jaxcontract": __version__, "version of jax": jax.__version__, "precision": precision}


def _differ(name: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return (name in one, one.get(name)) != (name in other, other.get(name))


def _speaks(processes: Processes, worker: Worker) -> bool:
    """Whether what concerns all processes is for this one to say."""
    return processes.leads or not worker.launched


def _lead(processes: Processes, lead: Callable[[Processes], int]) -> int:
    """Do what process 0 does, and let the others end as it ends."""
    from jaxcontract.training.team import Leader

    code = FAILED
    try:
        code = lead(processes)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else FAILED
    finally:
        Leader(processes).say("leave", code=code)
        processes.part(code)
    return code


def _follow(processes: Processes, parsed: Any) -> int:
    """Do what process 0 says: the exit code that it ends with. Nothing is read, written or printed."""
    code, wave = None, None
    with Interruption(holding=False) as interruption:
        while code is None:
            order = json.loads(processes.tell(b""))
            match order["do"]:
                case "leave":
                    code = int(order["code"])
                case "begin":
                    code = _follow_training(request_told(parsed, order["run"]), processes, interruption)
                case "wave":
                    from jaxcontract.cli.train.waves.follower import Follower

                    wave = wave or Follower(parsed, processes, interruption)
                    code = wave.follow(order["settings"], order["members"])
    return code


def _follow_training(request: Request, processes: Processes, interruption: Interruption) -> int | None:
    from jaxcontract.cli.train.measures import measures_of
    from jaxcontract.cli.train.training import compile_share, keep_programs, seen_in_its_units
    from jaxcontract.training.spread import spread
    from jaxcontract.training.team import follow

    if request.compilation_cache and request.compilation_cache.is_dir():
        keep_programs(request.compilation_cache)
    own = compile_share(request, processes)
    as_seen = seen_in_its_units(request, spread(own, processes))
    return follow(own, as_seen, processes, measures_of(request), interruption)

"""Write a trained policy as one file that runs without what trained it, with two more beside it."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from jaxcontract.cli.options import OneLineParser, path
from jaxcontract.cli.program import BAD_INPUT, DONE, Program, name_command
from jaxcontract.training.devices import require_device

PROGRAM = name_command("export")
EPILOG = """\
FILE is a jax.export artifact for CPU and CUDA: network states in, contracts out. FILE.json beside it holds
the versions, the deployment, and 16 states with the contracts expected, FILE.npz the weights. All are held
against those 16 states before they are written, and again whenever they are read:

  policy = jc.load_exported(FILE)       needs jax and flatbuffers; policy(jc.NetworkState(...)) → Contract
  policy = jc.load_numpy_policy(FILE)   needs numpy alone; policy(max_aoi=..., ...) → frequency, payment

Of another game than the contract game both take its observations [N, O] and give actions [N, A]; where the
policy is a distribution, policy.sample(key, observations) of the first draws from it.

examples:
  PROGRAM runs/first policy.jaxexport
  PROGRAM runs/first policy.jaxexport --seed 3

A seed that diverged has no policy to hand on, and is refused.

exit codes: 0 done, 2 bad input or no device of the kind that JAX_PLATFORMS asks for, 130 interrupted;
nothing is overwritten
"""


class Request(NamedTuple):
    """What a person asked for on the command line."""

    policies: Path
    file: Path
    seed: int | None


def parse(arguments: Sequence[str] | None = None, program: Program = PROGRAM) -> Request:
    """Read the command line, without JAX; on bad input, one line and exit code 2."""
    parser = OneLineParser(prog=program.name, description=__doc__, epilog=program.fill_in(EPILOG))
    parser.add_argument("directory", type=path, metavar="DIR", help="a run's directory, or its policy/")
    parser.add_argument(
        "file", type=path, metavar="FILE", help="what to write, with FILE.json and FILE.npz beside it"
    )
    parser.add_argument(
        "--seed", type=int, metavar="SEED", help="which of the run's seeds (default: its first)"
    )
    parsed = parser.parse_args(arguments)
    inner = parsed.directory / "policy"
    return Request(inner if inner.is_dir() else parsed.directory, parsed.file, parsed.seed)


def main(arguments: Sequence[str] | None = None, program: Program = PROGRAM) -> int:
    """Export as the command line asks: the exit code."""
    request = parse(arguments, program)
    try:
        require_device()
        from jaxcontract.export.artifact import export_policy
        from jaxcontract.export.description import is_contract, read_description

        sha256 = export_policy(request.policies, request.file, request.seed)
    except (ValueError, ImportError, OSError) as error:
        return program.fail(BAD_INPUT, str(error))
    from jaxcontract.cli.console import make_console

    size, description = request.file.stat().st_size, f"{request.file.name}.json"
    files = f"{request.file} ({size:,} bytes), {description} and {request.file.name}.npz"
    line = f"{files} answer their self-test; sha256 {sha256}"
    notes = read_description(request.file).notes
    if not is_contract(notes):
        inputs, outputs = len(notes["observation"]["center"]), len(notes["action"]["low"])
        line += f"; called on observations [N, {inputs}] of the game, it gives actions [N, {outputs}]"
    make_console().print(line, soft_wrap=True, markup=False)
    return DONE

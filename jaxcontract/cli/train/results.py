"""What a trained run shows for itself: measured on unseen states, written, printed and drawn."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from jaxcontract.cli.program import DONE, NOT_WRITTEN, PARTLY_DONE
from jaxcontract.cli.tables import printed_states_table, seeds_table, sizes_table
from jaxcontract.cli.train.drawings import Shown, draw
from jaxcontract.cli.train.request import Request
from jaxcontract.cli.train.run import Run, describe_divergence
from jaxcontract.envs.config import ContractGame
from jaxcontract.envs.contract import ContractEnv, EnvParams, make_env
from jaxcontract.evaluation.by_size import STATES, evaluate_by_size
from jaxcontract.evaluation.states import TEST_SEED
from jaxcontract.learning.policies.network_policy import NetworkPolicy
from jaxcontract.mechanism.network_law import NetworkLaw
from jaxcontract.storage.files import json_lines, write_json, write_text
from jaxcontract.storage.metrics import METRICS
from jaxcontract.storage.policies import save_policies
from jaxcontract.storage.run_directory import SUMMARY
from jaxcontract.training.checkpointing import Keeper
from jaxcontract.training.learning_curve import Underway
from jaxcontract.training.remarks import at_their_limit, below_at_some_sizes, below_one_item, unmoved
from jaxcontract.training.signals import say_when_interrupted
from jaxcontract.training.summary import printed_items, results, results_by_size
from jaxcontract.training.team import Leader


class EndedTraining(NamedTuple):
    """A training at its end, and how long it took."""

    keeper: Keeper
    end: Underway
    timing: dict[str, Any]


class Measured(NamedTuple):
    """The policies of the seeds on unseen states, beside what needs no learning."""

    policies: Sequence[NetworkPolicy]
    reports: Sequence[Any]
    references: Mapping[str, Any]
    remarks: Sequence[str]
    by_size: Sequence[Mapping[int, Any]] = ()  # of each seed, where networks have various numbers of types


def finish(run: Run, outcome: EndedTraining, console: Any) -> int:
    """Measure the result, write the files, print the tables and draw: the exit code."""
    keeper, fail = outcome.keeper, run.program.fail
    try:
        save(run, outcome)
        measured = measure(run, outcome)
        write_text(run.out / METRICS, json_lines(keeper.curve))
        write_summary(run, outcome, measured)
        show(run, outcome, measured, console)
    except OSError as error:
        return fail(NOT_WRITTEN, f"the results could not be written ({error}); {run.how_to_go_on}")
    for seed, divergence in keeper.diverged.items():
        fail(PARTLY_DONE, describe_divergence(seed, *divergence))
    if keeper.unsaved:
        return fail(NOT_WRITTEN, keeper.unsaved)
    return PARTLY_DONE if keeper.diverged else DONE


def save(run: Run, outcome: EndedTraining) -> None:
    """Write `policy/`; of a seed that diverged, the last policy that was saved."""
    own = dict(zip(run.request.seeds, outcome.keeper.policies(outcome.end), strict=True))
    save_policies(run.out / "policy", own, run.request.setting, outcome.keeper.diverged)


def measure(run: Run, outcome: EndedTraining) -> Measured:
    """Every seed's policy, and what needs no learning, on the same unseen states."""
    request = run.request
    policies = outcome.keeper.training.policies(outcome.end.learners)
    reference = request.make_reference()
    states = reference.test_states(request.eval_states, TEST_SEED)
    leader = Leader(run.processes)
    reports = leader.measure("test", lambda _, policy: reference.evaluate(policy, states), policies)
    remarks = name_seeds(request.seeds, [reference.remarks(report) for report in reports])
    by_size = measure_sizes(request, policies)
    return Measured(policies, reports, reference.baselines(states), remarks, by_size)


def name_seeds(seeds: Sequence[int], said: Sequence[Sequence[str]]) -> list[str]:
    """What is said of each seed's policy, with the seed, but for what is said of all alike."""
    alike = [line for line in said[0] if all(line in lines for lines in said)]
    own = [
        f"seed {seed}: {line}"
        for seed, lines in zip(seeds, said, strict=True)
        for line in lines
        if line not in alike
    ]
    return [*alike, *own]


def measure_sizes(request: Request, policies: Sequence[NetworkPolicy]) -> list[dict[int, Any]]:
    """Every seed's policy for each number of types, where networks have various numbers; else nothing."""
    game = request.setting.game
    if not isinstance(game, ContractGame) or not game.env.fewest_types:
        return []
    env, params = make_env(game)
    count = min(request.eval_states, STATES)
    return [evaluate_by_size(policy, env, params, num_states=count) for policy in policies]


def find_printed_game(request: Request) -> tuple[ContractEnv, EnvParams] | None:
    """The contract game of the paper's three printed states, if these are of the law that is played."""
    game = request.setting.game
    if not isinstance(game, ContractGame) or game.law != NetworkLaw() or game.env.num_types != 2:
        return None
    return make_env(game)


def write_summary(run: Run, outcome: EndedTraining, measured: Measured) -> None:
    """Write `summary.json`, all that is shown of a run, and say what a person should look at."""
    request, keeper = run.request, outcome.keeper
    found = results(request.seeds, measured.reports, measured.references)
    printed = find_printed_game(request)
    if printed:
        items = printed_items(measured.policies[0], *printed)
        found["printed_states"] = {"seed": request.seeds[0], "contracts": items}
    if measured.by_size:
        found["by_size"] = results_by_size(request.seeds, measured.by_size)
    found["diverged"] = [{"seed": seed, **one._asdict()} for seed, one in keeper.diverged.items()]
    pooled = measured.references.get("pooled")
    amiss = [
        *measured.remarks,
        *(below_one_item(measured.reports, pooled, request.seeds) if pooled else []),
        *(below_at_some_sizes(measured.by_size, request.seeds) if measured.by_size else []),
        *unmoved(keeper.curve, request.seeds, request.learner),
        *(at_their_limit(measured.policies, request.seeds) if request.learner.learns_head else []),
    ]
    for line in amiss:
        run.program.say(line)
    write_json(
        run.out / SUMMARY,
        {
            "preset": request.preset,
            "setting": request.setting.as_dict(),
            "num_updates": request.num_updates,
            "rounds_per_update": request.learner.batch_size,
            "init_from": request.init_from,
            "extended_from": list(request.extended_from),
            **outcome.timing,
            **found,
            "remarks": [*request.remarks, *amiss],
        },
    )
    say_when_interrupted(f"the run has ended, its results are in {run.out / SUMMARY}")


def show(run: Run, outcome: EndedTraining, measured: Measured, console: Any) -> None:
    """Print the tables, draw, and say what was written where."""
    request, timing = run.request, outcome.timing
    printed = find_printed_game(request)
    console.print()
    console.print(seeds_table(request.seeds, measured.reports, measured.references))
    if measured.by_size:
        left_out = request.setting.parts["env"].leave_out_types
        console.print()
        console.print(sizes_table(measured.by_size, left_out))
    if printed:
        console.print()
        console.print(printed_states_table(measured.policies[0], *printed))
    drawn = draw(Shown(request, outcome.keeper.curve, measured.policies), run.out, run.program.say)
    written = ["config.json", METRICS, "policy/", "checkpoints/", *drawn, SUMMARY]
    speed = f"{timing['env_steps_per_second']:,.0f} env steps/s"
    console.print(
        f"\ntrained in {timing['train_seconds']:.1f} s ({speed}), compiled in "
        f"{timing['compile_seconds']:.1f} s; written to {run.out}/: {', '.join(written)}"
    )

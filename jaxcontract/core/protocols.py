"""What the layers promise each other: everything that one of these must have, and nothing else. No JAX.

An object need not derive from a protocol: it must have its members. Where one is missing, whoever asks
for it says so in one line (`require_members`).
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    import jax

ENV_STEP = "(observation, state, reward, terminated, truncated, info)"
ENV_RESET = "(observation, state)"


class Space(Protocol):
    """A Box: arrays of one shape between two bounds, infinite where there is none, as `core.spaces.Box`."""

    low: Any
    high: Any
    shape: tuple[int, ...]


class Environment(Protocol):
    """A game, one round at a time, in the shape of gymnax 1.x. Pure, and hashable so that `jit` can take it.

    reset(key, params)               → (observation [O], state); the key is consumed
    step(key, state, action, params) → (observation [O], state, reward [], terminated [], truncated [], info),
        where `info` has "final_observation" [O], what was seen before a reset, if the step ended an episode.
        The environment resets itself: the observation returned is the next one to act on
    observation_space(params)        → a Box [O]; entries with two bounds are scaled to [−1, 1] for a network
    action_space(params)             → a Box [A]

    `params` are the numbers of the game, a pytree: a sweep over them is a `vmap`.
    """

    def reset(self, key: "jax.Array", params: Any) -> tuple[Any, Any]: ...
    def step(
        self, key: "jax.Array", state: Any, action: Any, params: Any
    ) -> tuple[Any, Any, Any, Any, Any, dict[str, Any]]: ...
    def observation_space(self, params: Any) -> Any: ...
    def action_space(self, params: Any) -> Any: ...


@runtime_checkable
class Policy(Protocol):
    """A function from observations [..., O] to the actions [..., A] to use after training; a pytree."""

    def __call__(self, observation: Any) -> Any: ...


class Network(Protocol):
    """A function with weights, as a value: hashable, equal to another with the same sizes.

    init(key, num_inputs, num_outputs) → weights, dictionaries of arrays; the key is consumed
    apply(weights, inputs [I, ...])    → [O, ...]: features first, so that rounds lie along contiguous memory

    One with `needs_items = True` works on a list of items: its `init` also takes an `ItemLayout`, last, which
    an environment offers by a method of its class, item_layout().

    One that has a `width`, the units of its widest layer, takes smaller steps where that is above 64.

    `apply` that computes with the array namespace of its inputs (`inputs.__array_namespace__()`) runs in
    NumPy as it does in JAX: an exported policy then needs no JAX.
    """

    def init(self, key: "jax.Array", num_inputs: int, num_outputs: int) -> Any: ...
    def apply(self, weights: Any, inputs: Any) -> Any: ...


class PolicyHead(Protocol):
    """What a network's output says of an action, as a value: hashable.

    Actions are raw here, any vector of R^A: a bijector brings them into their Box. `parameters` are what a
    head learns beside the network, a pytree, such as a deviation. A draw [D, ...] is what was drawn on the
    way to a raw action, and that action: D = A where nothing else was.

    num_outputs(num_actions)              → how many outputs it needs of a network for A actions
    init(num_actions)                     → parameters
    init_certain(num_actions)             → parameters with as little noise as the head can have
    mode(output [N, ...], parameters)     → raw action [A, ...], the one to use after training
    sample(key, output, parameters)       → draw [D, ...]; the key is consumed
    raw_action(draw)                      → raw action [A, ...], the part of a draw that is one
    log_prob(draw, output, parameters)    → [...], ln of the density of a draw
    entropy(output, parameters)           → [], the mean over all outputs
    bound(parameters)                     → parameters kept where densities are finite

    The plain gradient learns by the mode, and does not learn the parameters. One with `learns_by_draws` it
    learns by draws, with the parameters: `sample` then has a derivative by both. Soft actor-critic learns by
    draws too. Where they are more than the action, their density is not the action's, and it asks for
    entropy(output, parameters, log_slope): of the action behind a map whose derivative at a raw action
    [A, ...] has the logarithm log_slope(raw action), [A, ...].

    One may have `thinned`, a head with the same raw actions, by whose sample, raw_action and log_prob PPO
    plays and learns in its place: of long draws those hold a part. Where an entropy takes long,
    `estimates_entropy`, PPO asks for it in gradient steps only where a bonus counts, else once an update.

    One of which `without_slope` says why its draws have no derivative is refused by both.

    `mode` that computes with the array namespace of its output runs in NumPy as it does in JAX.
    """

    def num_outputs(self, num_actions: int) -> int: ...
    def init(self, num_actions: int) -> Any: ...
    def init_certain(self, num_actions: int) -> Any: ...
    def mode(self, output: Any, parameters: Any) -> Any: ...
    def sample(self, key: "jax.Array", output: Any, parameters: Any) -> Any: ...
    def raw_action(self, draw: Any) -> Any: ...
    def log_prob(self, draw: Any, output: Any, parameters: Any) -> Any: ...
    def entropy(self, output: Any, parameters: Any) -> Any: ...
    def bound(self, parameters: Any) -> Any: ...


class Algorithm(NamedTuple):
    """A learner as two pure functions. What it carries is a `TrainState`, or a pytree with its members.

    init(key, env, params, config)       → learner; the key is consumed
    update(learner, env, params, config) → (learner, metrics): one iteration. Metrics are [] each, "reward"
        and "gradient_norm" among them
    """

    init: Callable[..., Any]
    update: Callable[..., tuple[Any, dict[str, Any]]]


class Reference(Protocol):
    """What a game measures policies against, such as the exact optimum of (10).

    test_states(count, seed)   → that many states which no training draws, the same every time, with what
        they are measured against
    evaluate(policy, states)   → a report with the numbers `num_states`, `optimum`, `reward`, `feasible`,
        `regret`, `worst_regret`, `screening_gap` and `max_violation`; NaN where one has no meaning
    baselines(states)          → reports of what needs no learning, by name
    remarks(report)            → lines on these states that a person should read, if any
    """

    def test_states(self, count: int, seed: int) -> Any: ...
    def evaluate(self, policy: Any, states: Any) -> Any: ...
    def baselines(self, states: Any) -> Mapping[str, Any]: ...
    def remarks(self, report: Any) -> list[str]: ...


def require_members(owner: str, name: str, value: object, protocol: type) -> None:
    """See to it that an argument has every member of a protocol.

    owner, name: of the function and of its argument

    Raises:
        ValueError: one line with the members that are missing.
    """
    wanted = [member for member in vars(protocol) if not member.startswith("_")]
    wanted += [member for member in ("__call__",) if member in vars(protocol)]
    missing = [member for member in wanted if not hasattr(value, member)]
    if missing:
        kind = value.__name__ if isinstance(value, type) else type(value).__name__
        noun = f"{'an' if protocol.__name__[0] in 'AEIOU' else 'a'} {protocol.__name__}"
        if isinstance(value, str):
            raise ValueError(f"{owner}: {name} = {value!r}: must be {noun}, not its name")
        raise ValueError(f"{owner}: {name}: must be {noun}; {kind} has no {', '.join(missing)}")

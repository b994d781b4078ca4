"""Environments of gymnax's shape in gymnasium's: one by itself, or many that one JAX call plays together."""

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from jaxcontract.adapters.hazards import refuse_fork, refuse_forking, warn_of_lost_rewards
from jaxcontract.adapters.options import make_scaled
from jaxcontract.adapters.padding import find_empty
from jaxcontract.core.fields import Allowed, plain, refuse
from jaxcontract.core.pytree import by_path

COUNT = Allowed("whole", "environments played side by side", static=True, low=1)
SEED = Allowed("whole", "seed of random numbers", static=True, low=0)
OWN = ("terminated", "truncated", "final_observation")  # of a gymnax info: gymnasium says them elsewhere


class GymnasiumEnv(gymnasium.Env):
    """One environment: `gymnasium.make("jaxcontract/Contract-v0", **options)` gives it a `ScaledEnv`.

    Observation: [4 + 2K] in [−1, 1]. Action: [2K] in [−1, 1]. `ScaledEnv` says what they stand for.
    Reward: the env's. Episode: truncated after its rounds. Info: "paper_reward", "feasible",
    "contract/frequency" [K] and "contract/payment" [K]. Likewise "jaxcontract/Enrolment-v0", "Budget-v0" and
    "EnrolmentBudget-v0", with the shapes and infos of `EnrolmentEnv`, `BudgetEnv` and `EnrolmentBudgetEnv`.

    With `num_types="2-64"` the number of types is drawn anew with each network, and K is 64, the places of
    all: shapes and bounds of the spaces never change. Places behind the last type are empty. An observation
    has −1 (a share of 0) in Q_k of an empty place, and the last type's number in φ_k: `empty_places` finds
    them. Of both halves of an action, what is said of empty places changes nothing, and their items in the
    info repeat the last type's.

    A policy that was trained on it is held against the optimum by

        scaled, params = env.unwrapped.env, env.unwrapped.params
        report = jaxcontract.evaluate(scaled.policy(act, params), scaled.env, params)

    where act maps observations [N, 4 + 2K] to actions [N, 2K], such as stable-baselines3's
    `lambda observation: model.predict(observation, deterministic=True)[0]`.

    env, params: anything of gymnax's shape with Boxes, hashable, and its parameters

    Raises:
        ValueError: when the env has several players, which gymnasium does not know.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}

    def __init__(self, env: Any, params: Any = None) -> None:
        refuse_fork()
        refuse_forking()
        self.env, self.params = env, _on_device(env, params)
        _refuse_players(env, self.params)
        self.observation_space = _box(env.observation_space(self.params))
        self.action_space = _box(env.action_space(self.params))
        self._key: Any = None
        self._state: Any = None
        self._next: Any = None  # the first observation of an episode that the last step has begun

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode: (observation, {}). The same seed gives the same rounds.

        Raises:
            ValueError: naming an option; none is known.
        """
        refuse_fork()
        _check_options(options, ())
        super().reset(seed=seed)
        if seed is not None or self._key is None:
            self._key, self._next = jax.random.key(_seed_or_draw(seed, self.np_random)), None
        if self._next is None:
            self._key, self._next, self._state = _begin(self.env, self.params, self._key)
        observation, self._next = np.array(self._next, np.float32), None
        return observation, {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Play one round: (observation, reward, terminated, truncated, info)."""
        refuse_fork()
        if self._key is None:
            raise gymnasium.error.ResetNeeded("GymnasiumEnv.step: call reset() first")
        action = _check_action(action, self.action_space)
        self._key, self._state, seen = _play(self.env, self.params, self._key, self._state, action)
        following, final, reward, terminated, truncated, info = jax.tree.map(np.asarray, seen)
        done = bool(terminated or truncated)
        self._next = following if done else None
        observation = np.array(final if done else following, np.float32)
        info = {name: value if value.ndim else value.item() for name, value in info.items()}
        return observation, float(reward), bool(terminated), bool(truncated), info

    def empty_places(self, observation: Any) -> np.ndarray:
        """Which places of observations [..., 4 + 2K] are empty: [..., K] of bool. Raises ValueError."""
        return find_empty(self.env, observation)


class GymnasiumVectorEnv(gymnasium.vector.VectorEnv):
    """B environments in one call: `gymnasium.make_vec("jaxcontract/Contract-v0", num_envs=B, **options)`.

    As B `GymnasiumEnv`s in gymnasium's `SyncVectorEnv` with autoreset mode SAME_STEP: the step that ends an
    episode returns the first observation of the next one, and the last of the old one in info["final_obs"].

    Only one seed for all B is spread in another way (`reset`): gymnasium's seed, seed + 1, … would give
    neighbouring seeds of a study all but one of their episodes in common.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": [], "autoreset_mode": AutoresetMode.SAME_STEP}

    def __init__(self, env: Any, params: Any = None, *, num_envs: int = 1) -> None:
        refuse_fork()
        num_envs = plain("GymnasiumVectorEnv", "num_envs", num_envs, COUNT)
        self.env, self.params, self.num_envs = env, _on_device(env, params), num_envs
        _refuse_players(env, self.params)
        self.single_observation_space = _box(env.observation_space(self.params))
        self.single_action_space = _box(env.action_space(self.params))
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._keys: Any = None
        self._states: Any = None
        self._observation: Any = None

    def reset(
        self, *, seed: int | Sequence[int] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin B episodes: (observations, {}).

        seed:    one for each environment, or one for all, which stands for
            `numpy.random.SeedSequence(seed).generate_state(B)`
        options: {"reset_mask": [B] of bool} begins those anew that it names, and leaves the others alone

        Raises:
            ValueError: naming the seed or the option, its value and what is allowed.
        """
        refuse_fork()
        warn_of_lost_rewards()
        mask = self._mask(_check_options(options, ("reset_mask",)))
        checked = _check_seed(seed)
        super().reset(seed=checked if isinstance(checked, int) else None)
        keys = self._keys if checked is None and self._keys is not None else _keys(self._seeds(checked))
        begun = _begin_all(self.env, self.params, keys)
        if mask is not None:
            begun = _where(mask, begun, (self._keys, self._observation, self._states))
        self._keys, self._observation, self._states = begun
        return np.array(self._observation, np.float32), {}

    def step(self, actions: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Play one round of each: (observations, rewards, terminations, truncations, infos)."""
        refuse_fork()
        if self._keys is None:
            raise gymnasium.error.ResetNeeded("GymnasiumVectorEnv.step: call reset() first")
        actions = _check_action(actions, self.action_space)
        self._keys, self._states, seen = _play_all(self.env, self.params, self._keys, self._states, actions)
        self._observation = seen[0]
        observation, final, reward, terminated, truncated, info = jax.tree.map(np.asarray, seen)
        infos = _vector_infos(info, np.asarray(final, np.float32), terminated | truncated)
        return (
            np.array(observation, np.float32),
            np.array(reward),
            np.array(terminated),
            np.array(truncated),
            infos,
        )

    def empty_places(self, observation: Any) -> np.ndarray:
        """Which places of observations [..., 4 + 2K] are empty: [..., K] of bool. Raises ValueError."""
        return find_empty(self.env, observation)

    def _seeds(self, seed: int | list[int | None] | None) -> np.ndarray:
        """[B], one for each environment."""
        if isinstance(seed, list):
            if len(seed) != self.num_envs:
                raise ValueError(f"reset: {len(seed)} seeds for {self.num_envs} environments")
            return np.array([_seed_or_draw(one, self.np_random) for one in seed])
        entropy = int(_seed_or_draw(None, self.np_random)) if seed is None else seed
        return np.random.SeedSequence(entropy).generate_state(self.num_envs)

    def _mask(self, options: dict[str, Any]) -> np.ndarray | None:
        """[B] of bool: which environments to begin anew. None is all of them."""
        if "reset_mask" not in options:
            return None
        mask = np.asarray(options["reset_mask"])
        if mask.shape != (self.num_envs,) or mask.dtype != bool or not mask.any():
            allowed = f"{self.num_envs} of true and false, one true at least"
            raise refuse("reset", "options['reset_mask']", options["reset_mask"], allowed)
        if self._keys is None:
            raise gymnasium.error.ResetNeeded("reset: begin all environments before some of them")
        return mask


def make_single(*, game: str = "contract", render_mode: None = None, **options: Any) -> GymnasiumEnv:
    """What `gymnasium.make` calls.

    game:    contract, enrolment or budget; each has its name in gymnasium
    options: `reach`, and the game's own: those that `jaxcontract train --game NAME --help` lists for its
        problem, law and rules. In the contract game `num_types` may be a range such as "2-64"

    Raises:
        ValueError: naming the option, its value and what is allowed.
    """
    del render_mode
    return GymnasiumEnv(*make_scaled(game, options))


def make_vector(
    *, game: str = "contract", num_envs: int = 1, render_mode: None = None, **options: Any
) -> GymnasiumVectorEnv:
    """What `gymnasium.make_vec` calls; game and options as in `make_single`."""
    del render_mode
    return GymnasiumVectorEnv(*make_scaled(game, options), num_envs=num_envs)


def _on_device(env: Any, params: Any) -> Any:
    """Parameters as arrays where they are computed with, so that no step has to take them there."""
    return jax.device_put(env.default_params if params is None else params)


def _refuse_players(env: Any, params: Any) -> None:
    """Raises ValueError when an observation has a row for each of several players."""
    seen = jax.eval_shape(env.reset, jax.random.key(0), params)[0]
    if len(seen.shape) > len(env.observation_space(params).shape):
        raise ValueError(
            f"{type(env).__name__}: has {seen.shape[0]} players, and gymnasium knows one: "
            "jaxcontract.adapters.jaxmarl.JaxMARLEnv is for competing stations"
        )


def _box(space: Any) -> gymnasium.spaces.Box:
    """A Box as gymnasium has it."""
    low, high = (np.broadcast_to(np.asarray(end, np.float32), space.shape) for end in (space.low, space.high))
    return gymnasium.spaces.Box(low, high, dtype=np.float32)


def _check_action(action: Any, space: gymnasium.spaces.Box) -> np.ndarray:
    action = np.asarray(action, np.float32)
    if action.shape != space.shape:
        raise ValueError(f"step: an action of shape {action.shape}: must be {space.shape}")
    if not np.isfinite(action).all():
        where = tuple(np.argwhere(~np.isfinite(action))[0].tolist())
        raise ValueError(f"step: action{list(where)} = {action[where]}: must be a finite number")
    return action


def _check_options(options: dict[str, Any] | None, known: tuple[str, ...]) -> dict[str, Any]:
    for name in (options or {}).keys() - set(known):
        raise ValueError(f"reset: unknown option {name!r}; known are {', '.join(known) or 'none'}")
    return options or {}


def _check_seed(seed: Any) -> int | list[int | None] | None:
    """One seed or one for each environment, None for one that is drawn."""
    if isinstance(seed, Sequence | np.ndarray) and not isinstance(seed, str) and np.ndim(seed):
        return [_whole_seed(one) for one in seed]
    return _whole_seed(seed)


def _whole_seed(seed: Any) -> int | None:
    """A seed of any size, as NumPy takes it, or None."""
    if seed is None or (type(seed) is int and seed >= 0):
        return seed
    return int(plain("reset", "seed", seed, SEED))


def _seed_or_draw(seed: int | None, random: np.random.Generator) -> np.uint32:
    """A seed as JAX's keys take it, 32 bits of it."""
    return np.uint32(random.integers(2**32) if seed is None else seed % 2**32)


def _vector_infos(info: dict[str, np.ndarray], final: np.ndarray, done: np.ndarray) -> dict[str, Any]:
    """gymnasium's form of infos: of the rounds that go on, and apart of those that were an episode's last.

    info: [B, ...] of the rounds that were just played; final: [B, O]; done: [B]
    """
    infos = {} if done.all() else _mask(info, ~done)
    if done.any():
        last = np.full(len(done), None, object)
        for index in np.flatnonzero(done):
            last[index] = final[index].copy()
        infos |= _mask({"final_obs": last, "final_info": _mask(info, done)}, done)
    return infos


def _mask(info: dict[str, Any], mask: np.ndarray) -> dict[str, Any]:
    """Entries, each with the environments that it is about under "_name"."""
    return info | {f"_{name}": mask.copy() for name in info}


@partial(jax.jit, static_argnums=0)
def _begin(env: Any, params: Any, key: jax.Array) -> Any:
    """(key, observation, state); the key given is consumed."""
    key, key_reset = jax.random.split(key)
    return key, *env.reset(key_reset, params)


@partial(jax.jit, static_argnums=0)
def _play(env: Any, params: Any, key: jax.Array, state: Any, action: jax.Array) -> Any:
    """(key, state, all that gymnasium is told); the key given is consumed."""
    key, key_step = jax.random.split(key)
    following, state, reward, terminated, truncated, info = env.step(key_step, state, action, params)
    told = by_path({name: value for name, value in info.items() if name not in OWN})
    return key, state, (following, info["final_observation"], reward, terminated, truncated, told)


@partial(jax.jit, static_argnums=0)
def _begin_all(env: Any, params: Any, keys: jax.Array) -> Any:
    return jax.vmap(partial(_begin, env, params))(keys)


@partial(jax.jit, static_argnums=0)
def _play_all(env: Any, params: Any, keys: jax.Array, states: Any, actions: jax.Array) -> Any:
    return jax.vmap(partial(_play, env, params))(keys, states, actions)


@jax.jit
def _where(mask: jax.Array, new: Any, old: Any) -> Any:
    """Leaves [B, ...] of one tree where the mask [B] says so, and of the other elsewhere."""

    def chosen(one: jax.Array, other: jax.Array) -> jax.Array:
        return jnp.where(jnp.reshape(mask, (-1,) + (1,) * (one.ndim - 1)), one, other)

    return jax.tree.map(chosen, new, old)


_keys = jax.jit(jax.vmap(jax.random.key))

"""What goes wrong between gymnasium, processes and JAX, said in one line where a person meets it."""

import multiprocessing
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any

import gymnasium
from gymnasium.vector import AsyncVectorEnv
from gymnasium.wrappers.vector import RecordEpisodeStatistics

FORKED = (
    "GymnasiumEnv: JAX, once started, does not survive a fork and would wait for ever in the workers: start "
    'them by context="spawn", as in gymnasium.make_vec(…, vector_kwargs={"context": "spawn"})'
)
FIXED = (1, 4)  # the gymnasium whose statistics count every reward

_forked = False


def refuse_fork() -> None:
    """See to it that JAX can work here: its threads do not survive a fork, and what asks them hangs.

    Raises:
        RuntimeError: in one line that says how to start workers, in a worker that was forked too late.
    """
    if _forked:
        raise RuntimeError(FORKED)


def refuse_forking() -> None:
    """See to it that gymnasium is not about to fork workers, while it makes its sample of an environment.

    The sample starts JAX, so every worker would be too late; and what a worker raises while it makes its own
    environment reaches nobody.

    Raises:
        RuntimeError: as `refuse_fork`.
    """
    making = _caller(AsyncVectorEnv.__init__)
    if making is None or "context" not in making.f_locals:
        return
    if multiprocessing.get_context(making.f_locals["context"]).get_start_method() == "fork":
        raise RuntimeError(FORKED)


def warn_of_lost_rewards() -> None:
    """Warn who resets SAME_STEP environments through statistics that lose rewards: gymnasium before 1.4."""
    version = tuple(int(part) for part in gymnasium.__version__.split(".")[:2])
    if version < FIXED and _caller(RecordEpisodeStatistics.reset) is not None:
        warnings.warn(
            f"RecordEpisodeStatistics of gymnasium {gymnasium.__version__} leaves out the first reward of "
            "every episode but an environment's first; gymnasium 1.4 counts it",
            stacklevel=5,
        )


def _caller(function: Callable[..., Any]) -> Any:
    """The frame of a function that is running, if it is."""
    code, frame = function.__code__, sys._getframe()
    while frame is not None and frame.f_code is not code:
        frame = frame.f_back  # type: ignore[assignment]
    return frame


def _note_fork() -> None:
    global _forked
    bridge = sys.modules.get("jax._src.xla_bridge")  # JAX says nowhere else whether it has started
    started = getattr(bridge, "backends_are_initialized", lambda: False)
    _forked = _forked or bool(started())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)

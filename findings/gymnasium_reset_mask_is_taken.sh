#!/usr/bin/env bash
# Seen in gymnasium 1.1.0 and 1.4.0.
#
# One would guess: reset(options={"reset_mask": m}) of a SyncVectorEnv restarts the environments of the mask, and a
#   RecordEpisodeStatistics around it goes on counting the others.
# What happens: SyncVectorEnv takes the mask out of the caller's dict, and the wrapper, which looks into the same dict
#   afterwards, finds none and clears all its counts: an episode of 5 steps is reported as one of 3.
# Why it matters: returns and lengths of every environment outside the mask are too small, silently; and a dict that is
#   used a second time restarts everything.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/run.py" <<'PY'
import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers.vector import RecordEpisodeStatistics


class FiveSteps(gym.Env):
    observation_space = gym.spaces.Box(0.0, 1.0, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.steps += 1
        return np.zeros(1, np.float32), 1.0, False, self.steps == 5, {}


envs = RecordEpisodeStatistics(SyncVectorEnv([FiveSteps] * 2, autoreset_mode=AutoresetMode.SAME_STEP))
envs.reset(seed=0)
for _ in range(2):
    envs.step(np.zeros(2, int))
options = {"reset_mask": np.array([True, False])}
envs.reset(options=options)
for _ in range(3):
    *_, info = envs.step(np.zeros(2, int))
found = (info.get("episode") or info["final_info"]["episode"])["l"].tolist()
print(f"gymnasium {gym.__version__}: options afterwards {options}; lengths reported {found}, the second has played 5")
assert options == {}, "the mask is left in the dict now"
assert found[1] != 5, "counted right now"
PY
for version in 1.1.0 1.4.0; do
  python3 -m venv "$work/$version"
  "$work/$version/bin/pip" install --quiet "gymnasium==$version"
  "$work/$version/bin/python" "$work/run.py"
done

"""Advantages and returns round by round, and (15), (16) as the paper prints them."""

import numpy as np


def gae_by_loop(reward, discount, value, gae_lambda):
    """Â_t = δ_t + γ_t λ Â_{t+1}, [T, ...], from the last round to the first."""
    result = np.zeros_like(reward)
    following = np.zeros_like(reward[0])
    for t in reversed(range(len(reward))):
        delta = reward[t] + discount[t] * value[t + 1] - value[t]
        following = delta + discount[t] * gae_lambda * following
        result[t] = following
    return result


def gae_with_truncation_apart(reward, terminated, truncated, value, final_value, discount, gae_lambda):
    """The recursion that asks at every round how the episode went on, without `end_episodes`."""
    result = np.zeros_like(reward)
    following = 0.0
    for t in reversed(range(len(reward))):
        if terminated[t]:
            delta, following = reward[t] - value[t], 0.0
        elif truncated[t]:
            delta, following = reward[t] + discount * final_value[t] - value[t], 0.0
        else:
            delta = reward[t] + discount * value[t + 1] - value[t]
        following = delta + discount * gae_lambda * following
        result[t] = following
    return result


def printed_15(reward, discount, value):
    """A^(z) = γ^{Z−z} V(s^(Z)) − V(s^(z)) + Σ_{y=z}^{Z−1} γ^{y−z} R^(y), rounds counted from 1."""
    last = len(reward)
    result = np.zeros_like(reward)
    for z in range(1, last + 1):
        total = discount ** (last - z) * value[last - 1] - value[z - 1]
        for y in range(z, last):
            total += discount ** (y - z) * reward[y - 1]
        result[z - 1] = total
    return result


def printed_16(reward, discount):
    """V_targ^(z) = Σ_{y=z}^{Z} γ^{y−z} R^(y), rounds counted from 1."""
    last = len(reward)
    result = np.zeros_like(reward)
    for z in range(1, last + 1):
        for y in range(z, last + 1):
            result[z - 1] += discount ** (y - z) * reward[y - 1]
    return result

"""The least that a base station can pay for given frequencies: by recursion, and by a linear program."""

import numpy as np
from scipy.optimize import linprog


def least_payments(device_types, frequency, rent=0.0):
    """Payments [K]: type 1 keeps the rent, every other type is indifferent to the item below its own."""
    payment = [frequency[0] / device_types[0] + rent]
    for k in range(1, len(device_types)):
        payment.append(payment[-1] + (frequency[k] - frequency[k - 1]) / device_types[k])
    return np.array(payment)


def cheapest_payments(frequency, state):
    """Σ Q_k r_k of the cheapest payments that keep all K + K(K − 1) constraints; infinite if none do."""
    types_, probs = np.asarray(state.device_types), np.asarray(state.type_probs)
    rows, limits = [], []
    for k, cost in enumerate(1 / types_):
        rows.append(-np.eye(len(types_))[k])
        limits.append(-cost * frequency[k])
        for j in range(len(types_)):
            if j != k:
                rows.append(np.eye(len(types_))[j] - np.eye(len(types_))[k])
                limits.append(cost * (frequency[j] - frequency[k]))
    found = linprog(probs, A_ub=rows, b_ub=limits, bounds=(None, None))
    return found.fun if found.status == 0 else np.inf

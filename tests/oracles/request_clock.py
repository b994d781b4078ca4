"""Requests one by one, by the clock of data and uploads of Section III-A."""

import numpy as np


def simulated_requests(rng, cycle, count):
    """Ages and latencies, in slots, of requests at random times, from the clock of data and uploads.

    A request waits for the end of its slot. If the device refreshes its data in the next slot, it is
    served after that; the upload takes one slot more. Data is as old as the start of its refresh.
    """
    arrival = rng.uniform(0.0, cycle, count)
    noticed = np.floor(arrival) + 1
    refreshing = noticed % cycle == 0
    received = noticed + refreshing + 1
    generated = np.where(refreshing, noticed, 0.0)
    return received - generated, received - noticed

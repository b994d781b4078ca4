"""The contract designer as a command line, for its tests."""

import csv

import numpy as np

from jaxcontract.cli.design.command import main

HEADER = "max_aoi,max_latency,type_probs_1,type_probs_2,device_types_1,device_types_2\n"
GOLDEN = "0.95,0.73,0.84,0.16,2,12\n"


def design(*arguments):
    """The exit code of a command line."""
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as stopped:
        return stopped.code


def rows_of(path):
    """The rows of a CSV file, by its head."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def column(rows, name):
    """One column of them as numbers."""
    return np.array([float(row[name]) for row in rows])

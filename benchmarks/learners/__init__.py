"""Those who train on the same game beside us: a file for each, one process for each training."""

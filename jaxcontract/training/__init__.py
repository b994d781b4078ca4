"""Runs a learner: seeds on cores and devices, checkpoints as it goes, loggers, signals, a watchdog."""

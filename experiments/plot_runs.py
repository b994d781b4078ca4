"""Compare runs: the same as `jaxcontract plot`."""

if __name__ == "__main__":
    import _signal

    _signal.pthread_sigmask(_signal.SIG_BLOCK, {_signal.SIGINT})  # until it is listened for
    from jaxcontract.training.signals import leave_at_once

    leave_at_once("plot_runs.py")  # also while what follows is imported
    import sys

    from jaxcontract.cli.plot import main

    sys.exit(main())

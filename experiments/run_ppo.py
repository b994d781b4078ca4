"""Train the paper's contract designer: the same as `jaxcontract train`."""

if __name__ == "__main__":
    import _signal

    _signal.pthread_sigmask(_signal.SIG_BLOCK, {_signal.SIGINT})  # until it is listened for
    from jaxcontract.training.signals import leave_at_once

    leave_at_once("run_ppo.py")  # also while what follows is imported
    import sys

    from jaxcontract.cli.train import main

    sys.exit(main())

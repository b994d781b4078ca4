"""From your network to its contract: the same as `jaxcontract design`."""

if __name__ == "__main__":
    import _signal

    _signal.pthread_sigmask(_signal.SIG_BLOCK, {_signal.SIGINT})  # until it is listened for
    from jaxcontract.training.signals import leave_at_once

    leave_at_once("design_contract.py")  # also while what follows is imported
    import sys

    from jaxcontract.cli.design.command import main

    sys.exit(main())

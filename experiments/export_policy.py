"""Write a trained policy as one file: the same as `jaxcontract export`."""

if __name__ == "__main__":
    import _signal

    _signal.pthread_sigmask(_signal.SIG_BLOCK, {_signal.SIGINT})  # until it is listened for
    from jaxcontract.training.signals import leave_at_once

    leave_at_once("export_policy.py")  # also while what follows is imported
    import sys

    from jaxcontract.cli.export import main

    sys.exit(main())

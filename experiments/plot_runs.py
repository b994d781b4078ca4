"""Compare runs: the same as `jaxcontract plot`."""

if __name__ == "__main__":
    import _signal

    _signal.pthread_sigmask(_signal.SIG_BLOCK, {_signal.SIGINT})  # until it is listened for
    from jaxcontract.cli.main import run_script

    raise SystemExit(run_script("plot"))

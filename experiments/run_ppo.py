"""Train the paper's contract designer: the same as `jaxcontract train`."""

if __name__ == "__main__":
    import _signal

    _signal.pthread_sigmask(_signal.SIG_BLOCK, {_signal.SIGINT})  # until it is listened for
    from jaxcontract.cli.main import run_script

    raise SystemExit(run_script("train"))

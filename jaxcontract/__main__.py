"""`python -m jaxcontract`: the same as the command `jaxcontract`."""

from jaxcontract.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main("python -m jaxcontract"))

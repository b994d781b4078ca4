"""How a script without options begins. No JAX, unless it is to go on."""

from jaxcontract.training.signals import leave_at_once


def begin(program: str, description: str | None) -> None:
    """Answer `--help` at once, and end in one line at Ctrl-C, on a wrong command line or without a device.

    program: its name; description: what `--help` says
    """
    leave_at_once(program)  # also while what follows is imported
    from jaxcontract.cli.options import OneLineParser
    from jaxcontract.training.devices import NoDeviceError, require_device

    parser = OneLineParser(prog=program, description=description)
    parser.parse_args()
    try:
        require_device()
    except NoDeviceError as error:
        parser.error(str(error))

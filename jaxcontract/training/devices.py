"""Whether JAX has a device to compute on, asked before a program leaves traces.

JAX is imported when that is asked, not before.
"""

import os

from jaxcontract.core.fields import first_line


class NoDeviceError(ValueError):
    """JAX cannot start, or finds no device of the kind that was asked for."""


def require_device() -> None:
    """Let JAX start and find its devices.

    Raises:
        NoDeviceError: in one line, naming JAX_PLATFORMS where that asks for what is not there.
    """
    try:
        import jax

        jax.devices()
    except Exception as error:  # JAX raises AssertionError, RuntimeError or ValueError, as the case may be
        asked = os.environ.get("JAX_PLATFORMS")
        if not asked:
            raise NoDeviceError(f"JAX finds no device to compute on ({_words(error)})") from None
        raise NoDeviceError(
            f"JAX_PLATFORMS={asked}: JAX finds no such device on this machine ({_words(error)}); unset it, "
            "or set it to cpu"
        ) from None


def _words(error: Exception) -> str:
    said = str(error).strip()
    return first_line(error) if said else "its plugin is not installed, or sees no hardware"

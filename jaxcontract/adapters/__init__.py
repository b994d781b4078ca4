"""The environment for other people's learners. Importing this gives gymnasium the name of `ENV_ID`.

    import gymnasium
    import jaxcontract.adapters

    env = gymnasium.make("jaxcontract/Contract-v0", num_types=3)
    envs = gymnasium.make_vec("jaxcontract/Contract-v0", num_envs=512)

or in one line, `gymnasium.make("jaxcontract.adapters:jaxcontract/Contract-v0")`. gymnasium 1.0 and newer do
not look for installed packages by themselves.

`jaxcontract.adapters.jaxmarl` has competing stations as JaxMARL has agents.
"""

try:
    import gymnasium
except ImportError:
    raise ImportError(
        "jaxcontract.adapters needs gymnasium 1.1 or newer: pip install 'jaxcontract[gymnasium]'"
    ) from None

ENV_ID = "jaxcontract/Contract-v0"


def register() -> None:
    """Tell gymnasium's `make` and `make_vec` about the environment; once is enough, and import does it."""
    if ENV_ID not in gymnasium.registry:
        module = "jaxcontract.adapters.envs"  # imported, and JAX with it, when an environment is made
        gymnasium.register(
            ENV_ID, entry_point=f"{module}:make_single", vector_entry_point=f"{module}:make_vector"
        )


register()

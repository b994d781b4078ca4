"""The games for other people's learners. Importing this gives gymnasium the names in `ENV_IDS`.

    import gymnasium
    import jaxcontract.adapters

    env = gymnasium.make("jaxcontract/Contract-v0", num_types=3)
    envs = gymnasium.make_vec("jaxcontract/Contract-v0", num_envs=512)

Likewise jaxcontract/Enrolment-v0, Budget-v0 and EnrolmentBudget-v0, whose rounds depend on each other. In
one line, `gymnasium.make("jaxcontract.adapters:jaxcontract/Contract-v0")`. gymnasium 1.0 and newer do not
look for installed packages by themselves.

`jaxcontract.adapters.jaxmarl` has competing stations as JaxMARL has agents.
"""

try:
    import gymnasium
except ImportError:
    raise ImportError(
        "jaxcontract.adapters needs gymnasium 1.1 or newer: pip install 'jaxcontract[gymnasium]'"
    ) from None

ENV_ID = "jaxcontract/Contract-v0"
ENV_IDS = {
    "contract": ENV_ID,
    "enrolment": "jaxcontract/Enrolment-v0",
    "budget": "jaxcontract/Budget-v0",
    "enrolment_budget": "jaxcontract/EnrolmentBudget-v0",
}


def register() -> None:
    """Tell gymnasium's `make` and `make_vec` about the games; once is enough, and import does it."""
    module = "jaxcontract.adapters.envs"  # imported, and JAX with it, when an environment is made
    for game, env_id in ENV_IDS.items():
        if env_id not in gymnasium.registry:
            gymnasium.register(
                env_id,
                entry_point=f"{module}:make_single",
                vector_entry_point=f"{module}:make_vector",
                kwargs={"game": game},
            )


register()

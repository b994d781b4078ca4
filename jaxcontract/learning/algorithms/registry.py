"""The learners that a command line knows: `--algorithm`. A new one is a file and a line here. No JAX."""

from jaxcontract.core.registry import Registry

ALGORITHMS = Registry(
    "algorithm",
    "jaxcontract.algorithms",
    {
        "ppo": "jaxcontract.learning.algorithms.ppo.config:PPOConfig",
        "gradient": "jaxcontract.learning.algorithms.gradient.config:GradientConfig",
        "sac": "jaxcontract.learning.algorithms.sac.config:SACConfig",
    },
)

"""The heads that a command line knows: `--policy-head`. A new one is a file and a line here. No JAX."""

from jaxcontract.core.registry import Registry

POLICY_HEADS = Registry(
    "policy head",
    "jaxcontract.policy_heads",
    {
        "gaussian": "jaxcontract.learning.policies.gaussian:Gaussian",
        "mixture": "jaxcontract.learning.policies.mixture:Mixture",
        "diffusion": "jaxcontract.learning.policies.diffusion:Diffusion",
    },
)

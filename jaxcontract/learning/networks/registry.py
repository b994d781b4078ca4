"""The networks that a command line knows: `--network`. A new one is a file and a line here. No JAX."""

from jaxcontract.core.registry import Registry

NETWORKS = Registry(
    "network",
    "jaxcontract.networks",
    {
        "mlp": "jaxcontract.learning.networks.mlp:MLP",
        "deep_sets": "jaxcontract.learning.networks.deep_sets:DeepSets",
    },
)

"""From a network, or from observed costs, to its contract: what `design_contract.py` is made of."""

"""`jaxcontract design`: from a network, or from observed costs, to its contract."""

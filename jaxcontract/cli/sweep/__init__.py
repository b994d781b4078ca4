"""`jaxcontract sweep`: a grid of settings, each with the same seeds."""

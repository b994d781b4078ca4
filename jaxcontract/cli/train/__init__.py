"""`jaxcontract train`: a run from its command line to its results."""

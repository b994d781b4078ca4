"""`jaxcontract launch`: several processes on one machine."""

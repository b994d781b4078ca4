"""The command lines: `jaxcontract train | design | export | plot`."""

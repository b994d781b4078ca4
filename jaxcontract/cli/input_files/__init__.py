"""What people have on disk, networks and observed costs, read as it is or refused with its place. No JAX."""

"""A policy as one artifact, and back: in JAX and in NumPy."""

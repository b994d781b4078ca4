"""The functions that are learned."""

"""Several processes of one training: how they are named, checked and watched over. No JAX."""

"""Proximal policy optimisation: Section IV-B of the paper."""

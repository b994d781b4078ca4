"""Policies measured against the reference of their game, and statistics over seeds."""

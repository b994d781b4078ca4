"""Runs of more seeds or settings than are trained at a time: wave by wave, results as they come."""

"""The learners, one a package."""

"""The plain gradient of the reward."""

"""The learner: PPO, (14) to (20), for any environment with a Box of actions. Knows no economics."""

"""What a run is: the game, the learner, and everything that they are told."""

"""The mechanism: equations (1) to (10) of the paper as pure functions on one round. Knows no learning."""

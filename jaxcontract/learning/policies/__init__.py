"""What a network's output says of an action."""

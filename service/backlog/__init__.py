"""What is still to be done right now."""

"""Events that people attend, and who attended."""

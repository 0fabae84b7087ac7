"""From a join request to a personal welcome."""

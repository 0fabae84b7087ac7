"""Member records, organisations, consent and reasons to join."""

"""Public pages: join, confirm, preferences, unsubscribe, archive."""

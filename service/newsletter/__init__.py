"""Content items, feeds and the Wednesday edition."""

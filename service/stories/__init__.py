"""Value stories: what changed in somebody's work, in their words, and whether it may be shown."""

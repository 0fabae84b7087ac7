"""Personal notes to members who have not been active for a while."""

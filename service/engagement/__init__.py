"""Opens, clicks, replies and attendance, people told apart from machines."""

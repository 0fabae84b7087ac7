"""Invitations: a personal join link that a person passes on themselves, and who joined by it. Strangers are never written to."""

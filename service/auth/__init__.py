"""API keys, roles, sessions and the audit trail."""

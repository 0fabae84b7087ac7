"""Calls to other systems when something has happened, signed as Standard Webhooks say (standardwebhooks.com)."""

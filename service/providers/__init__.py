"""Ports to the services that carry our mail, and one adapter per service."""

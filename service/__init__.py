"""Kindling: keeps a community of practice warm by email."""

__version__ = "0.1.0"

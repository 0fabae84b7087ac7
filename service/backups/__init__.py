"""Backup and restore of one community's database, the same on SQLite and PostgreSQL. Knows tables, no feature."""

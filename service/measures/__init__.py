"""The quarterly measures: what a sponsor reads, exact and explained."""

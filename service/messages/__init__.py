"""Messages, deliveries and suppressions: everything that leaves the building."""

"""Long work that reports its progress: `/jobs/{id}`."""

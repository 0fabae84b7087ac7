"""What providers call us with: stored raw first, applied by a job."""

"""The Marketing API (`/3.0`), one file per topic."""

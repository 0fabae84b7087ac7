"""Background jobs: thin coroutines that call the features, and the tick that finds what is due."""

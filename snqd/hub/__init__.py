"""The hub: the child of the supervisor that gathers what the daemon does and tells it to the world."""

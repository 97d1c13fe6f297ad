"""The contestants' own programs, each run by its own interpreter (see `verbs`)."""

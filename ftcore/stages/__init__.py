"""The steps of a run, in order; each can be killed at any moment and started again."""

"""Runs beside each other: what differs, the same again, and whether it came out the same."""

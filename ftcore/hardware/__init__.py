"""What accelerators there are and what they can do, found out without torch."""

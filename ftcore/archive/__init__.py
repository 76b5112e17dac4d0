"""Runs as one file: to keep, to hand on, to look at on another machine."""

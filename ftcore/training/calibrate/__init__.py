"""Measuring how fast a device does the work of a training step: what `plan` says times with."""

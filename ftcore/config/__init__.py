"""From overrides to one typed, checked, immutable Experiment."""

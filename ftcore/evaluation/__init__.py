"""Measures of what training changed: the same cases, before and after."""

"""Reports: one self-contained HTML file of a run, or of several runs beside each other."""

from ftcore.report.page import render

__all__ = ["render"]

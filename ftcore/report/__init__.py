"""The run report: one self-contained HTML file from a run's record, metrics and evaluation."""

from ftcore.report.page import render

__all__ = ["render"]

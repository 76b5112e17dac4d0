"""Run directories and the records in them: plain files, one writer at a time."""

"""What can be wrong with data."""


class DataError(Exception):
    """The data cannot be used as asked; the message names the file, the line and what is wrong."""


class RowError(Exception):
    """One row cannot be read. Whoever reads it adds the place, and either stops or counts it."""

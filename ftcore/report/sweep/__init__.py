"""A sweep as one page: which trial is best, which keys matter, and how."""

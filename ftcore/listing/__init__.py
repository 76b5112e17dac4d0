"""All runs of a folder as a table: rows, columns, an index, what is asked of them."""

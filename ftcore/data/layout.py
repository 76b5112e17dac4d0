"""Files of a prepared entry: one-dimensional little-endian .npy arrays, to be mapped into memory.

tokens.npy     int32  token ids of all rows, one behind the other
labels.npy     bool   whether the token is trained on, same length
rows.npy       int64  where each row begins in tokens, and the end: rows + 1
samples.npy    int64  where each sample begins in row_order, and the end: samples + 1
row_order.npy  int64  rows in the order in which samples take them
"""

TOKENS, LABELS, ROWS = "tokens.npy", "labels.npy", "rows.npy"
SAMPLES, ROW_ORDER = "samples.npy", "row_order.npy"

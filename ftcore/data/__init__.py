"""From files of rows to token sequences that every rank maps into memory.

Nothing here but `dataset` imports torch, so that planning can ask for cache keys and manifests at once.
"""

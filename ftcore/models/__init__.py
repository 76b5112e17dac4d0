"""Base models on disk: unpacking, fingerprints, loading."""

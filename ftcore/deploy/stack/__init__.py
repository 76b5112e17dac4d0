"""Everything around the model as containers: Xinference, One-API, FastGPT and their databases."""

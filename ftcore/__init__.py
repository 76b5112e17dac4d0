"""ftcore: declarative fine-tuning of language models on XTuner, from a laptop to a Slurm cluster."""

__version__ = "0.1.0"

"""XTuner configuration files -> experiments of ftcore."""

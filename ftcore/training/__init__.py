"""Stage train: XTuner's model in mmengine's runner, one process a rank."""

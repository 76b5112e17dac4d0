"""What an experiment amounts to before it is started: arithmetic on its settings, without torch."""

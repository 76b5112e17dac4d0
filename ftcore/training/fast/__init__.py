"""Training steps with written backward passes, under XTuner's SupervisedFinetune."""

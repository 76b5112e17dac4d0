"""A run's figures in a tracker: a process beside the run follows its files (`follow`), so that a tracker that
is slow, hangs, crashes or draws random numbers is none of the training's business."""

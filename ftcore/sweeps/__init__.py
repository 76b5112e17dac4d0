"""Many runs from one command: what varies, the points there are, their runs, how they are worked through."""

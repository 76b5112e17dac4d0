"""What can go: found without touching anything, checked again right before each removal."""

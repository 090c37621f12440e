"""What the project claims of accuracy: one command a claim, and one that works the figures out again."""

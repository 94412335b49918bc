"""Template tags of the load."""

"""A fictional company of any size, written as the folders that the simulators serve."""

"""The exceptions desk: what didn't load in groups with one cause, a remedy for a group, and a run of the records concerned alone."""

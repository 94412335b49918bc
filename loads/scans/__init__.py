"""Rows of the destination that are read through whole: more than one task can read, so in steps that are kept, by any number of workers."""

"""Values that arrive with less than the source held: counted once they are read back, shown to the customer, accepted or refused."""

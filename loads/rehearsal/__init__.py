"""The rehearsal: the whole load of a staged run held against the destination as it is, without a write; later scored against what came.

What plug-ins, business rules and duplicate detection of the customer's own would say can't be known beforehand: the score shows how much
they say.
"""

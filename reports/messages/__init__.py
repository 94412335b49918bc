"""What the inventory of message templates is made of.

`sources` reads the landed records, `markup` the structure of HTML, `destinations` says where a field went, `tokens` how the destination's
templates name a column, `judging` puts that together per expression, `rebuild` recommends by the rules of rebuild.toml.
"""

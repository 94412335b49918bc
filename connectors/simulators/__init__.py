"""Servers on loopback that answer as the real platforms do; they know nothing of the product, nor it of them."""

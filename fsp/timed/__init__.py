"""Rates that depend on time: separated into functions of time and of state, enclosed over a step, and products with them."""

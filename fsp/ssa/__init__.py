"""Exact stochastic simulation: kernels (one file per method), random streams, tables, and the driver of ensembles."""

"""Transient solution: the adaptive loop, steppers (one file each), limits."""

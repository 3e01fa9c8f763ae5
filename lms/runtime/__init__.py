"""Sandboxed kernels and jobs; no database, no web."""

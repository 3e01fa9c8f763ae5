"""Jailed programs and kernels: bubblewrap, limits, the notebook kernel inside. No database, no web."""

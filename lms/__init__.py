"""Duri: courses that a university and a company teach, grade, rank and certify together."""

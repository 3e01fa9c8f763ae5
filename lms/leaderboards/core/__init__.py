"""Ranking; no database, no web."""

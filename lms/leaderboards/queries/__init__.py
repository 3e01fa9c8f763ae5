"""Reads of leaderboards."""

"""Verbs that change leaderboards."""

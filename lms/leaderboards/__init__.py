"""Boards, entries and standings."""

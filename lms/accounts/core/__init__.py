"""Calculations of accounts: the audit chain, secrets of links, letters."""

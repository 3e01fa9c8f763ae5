"""Verbs of accounts: people, organisations, links, mail, limits and the audit log."""

"""Certificates that a university and a company sign together: issuing, status and verification."""

"""Implementations of what the core asks for: signers over HTTP, and certificates on paper."""

"""Credentials, their issuing and their verification."""

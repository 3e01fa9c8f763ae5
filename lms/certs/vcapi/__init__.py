"""The W3C's VC-API in test mode: throw-away keys, this machine only, nothing of the installation."""

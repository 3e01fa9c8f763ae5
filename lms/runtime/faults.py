"""What can go wrong outside the jail; what goes wrong inside is a result, not an exception."""


class JailUnavailable(Exception):
    """No jail can be started on this machine now; the message says what is missing."""

"""Which passwords are good enough: length counts, and not being the obvious one."""

from lms.errors import N_

SHORTEST = 10
LONGEST = 200
FEWEST_DIFFERENT = 5
OBVIOUS = frozenset(
    {
        "password12", "password123", "1234567890", "12345678910", "0123456789", "qwertyuiop", "q1w2e3r4t5",
        "1q2w3e4r5t", "iloveyou123", "administrator", "letmein123", "welcome123", "qwerty12345",
        "qwerty123456", "asdfghjkl1", "abcdefghij", "abcd123456", "a123456789",
    }
)  # fmt: skip

TOO_SHORT = N_("Use at least %(shortest)d characters. A short sentence is easy to keep in mind.")
TOO_LONG = N_("Use at most %(longest)d characters.")
TOO_OBVIOUS = N_(
    "This password is easy to guess. Choose one that has nothing to do with your name or address."
)


def weakness(password: str, *known: str) -> str | None:
    """Return what is wrong with a password, or nothing; `known` is what others know of its owner.

    Source: NIST SP 800-63B, section 5.1.1.2 (length, a list of obvious ones, no composition rules).
    """
    if len(password) < SHORTEST:
        return TOO_SHORT
    if len(password) > LONGEST:
        return TOO_LONG
    plain = password.casefold()
    names = {part for word in known for part in (word.casefold(), word.casefold().split("@")[0]) if part}
    if plain in OBVIOUS or plain in names or len(set(plain)) < FEWEST_DIFFERENT:
        return TOO_OBVIOUS
    return None

"""What tells workers that there is work; only a hint, as the truth is the rows and workers look there too."""

from typing import Protocol


class Waker(Protocol):
    """Tells workers, wherever they are, that there is work for one kind of machine."""

    def wake(self, resource: str) -> None:
        """Tell one worker of that kind, as soon as it is free; never raises and never waits for long."""


class Bed(Protocol):
    """Where one idle worker sleeps until it is woken."""

    def sleep(self, seconds: float) -> None:
        """Return when there is work, or after so long; no wake that comes after `clear` is missed."""

    def clear(self) -> None:
        """Forget the wakes so far: the caller looks for work after this, and so finds all that they meant."""


class Silence:
    """Wakes nobody: where no worker waits for it, or where they look often enough."""

    def wake(self, resource: str) -> None:
        """Do nothing."""

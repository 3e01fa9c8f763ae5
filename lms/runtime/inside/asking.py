"""The checker's conversation with the student's kernel: what a test asks there, and what comes back."""

import collections
import contextlib
import sys
import weakref
from collections.abc import Callable, Collection, Iterator
from typing import Any

from lms.runtime.inside import shaking
from lms.runtime.inside.codec import Change, Encoder, Node, exact, reading
from lms.runtime.inside.finding import TEXT
from lms.runtime.inside.frames import Gone, ProtocolError
from lms.runtime.inside.lending import Lent
from lms.runtime.inside.seeing import Seeing
from lms.runtime.inside.talk import ASK, BACK, END, OK, RAISE, Message, Talk, expect

OUTPUT_CHARACTERS = 1 << 20


class StudentGone(BaseException):
    """The student's kernel died, or broke the protocol; no test goes on from here, whatever it catches."""


class Profile:
    """What the present test may ask of the student's objects, and what it has asked."""

    def __init__(self) -> None:
        self.allowed: frozenset[str] | None = frozenset()
        self.asked: set[str] = set()

    def may(self, what: str) -> bool:
        """Note that something is asked; say whether it may be."""
        what = what[:TEXT]
        self.asked.add(what)
        return self.allowed is None or what in self.allowed

    @property
    def noting(self) -> bool:
        """Say whether everything is allowed and noted: the reference solution is at work."""
        return self.allowed is None


class Conversation:
    """Asks, and lets the student's code call back what a test lent to it, until there is an answer."""

    def __init__(self, line: Any, locked: dict[str, Any]) -> None:
        self.profile = Profile()
        self.lent = Lent(self.profile)
        self.seeing = Seeing(self, locked)
        self.broken = ""
        self.bending = True  # what student code does to arguments is seen by the test, until its end
        self.bent = False  # it did so, where the reference solution did not
        self.before_asking: Callable[[], None] = lambda: None
        self._talk = Talk(line, 1, self.seeing)
        self._count = 0
        self._busy = False
        self._random = shaking.Random()
        self._forgotten: list[int] = []
        self._dropped: collections.deque[tuple[int, int]] = collections.deque()

    # What handles need.

    def may(self, what: str) -> bool:
        """Note that something is asked; say whether it may be."""
        return self.profile.may(what)

    def claimed(self, claims: list[tuple[str, str]]) -> type | None:
        """Return the first known class of those that an object claims to be of."""
        return self.seeing.claimed(claims)

    def signature(self, handle: Any) -> Any:
        """Return the signature of a student's function."""
        return self.ask("signature", handle)

    def watch(self, remote: Any, number: int, count: list[int]) -> None:
        """Tell the other side in time that a handle is no longer used."""
        weakref.finalize(remote, lambda: self._dropped.append((number, count[0]))).atexit = False

    def drop_now(self, number: int) -> None:
        """Tell the other side that a handle it just gave is not wanted."""
        self._dropped.append((number, 1))

    def change(self) -> Change:
        """Say what becomes of a change that student code made to something of the test's."""
        if self.may("mutates"):
            return Change.KEPT
        self.bent = True
        return Change.BENT if self.bending else Change.REFUSED

    # Talking.

    def ask(self, deed: str, *values: Any, **named: Any) -> Any:
        """Let the student's kernel do something and return its answer.

        Raises:
            StudentGone: it cannot answer any more.
        """
        self.before_asking()
        with self._turn():
            self._count += 1
            number = self._count
            parts = (deed, tuple(named), *values, *named.values())
            self._talk.post(ASK, number, parts, self._beside)
            answer = self._answer(number)
            raised = self.seeing.raised(answer.values[0]) if answer.kind == RAISE else None
        if raised is not None:
            raise raised
        return answer.values[0]

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        if self.broken:
            raise StudentGone(self.broken)
        try:
            yield
        except (ProtocolError, Gone, IndexError) as error:
            self.broken = self.broken or f"{type(error).__name__}: {error}"
            raise StudentGone(self.broken) from None
        except StudentGone:
            raise
        except BaseException as error:
            # In the middle of a message, or not: nobody knows, so nothing is said on this line any more.
            if not isinstance(error, Exception):
                self.broken = self.broken or "interrupted"
            raise

    def _answer(self, number: int) -> Message:
        while True:
            message = expect(self._talk.take(self._heard), number)
            if self.lent.depth == 0 and message.kind != BACK:
                self._forgotten += self._talk.twins.prune()
            self._talk.twins.look()
            if message.kind in {OK, RAISE} and len(message.values) == 1:
                return message
            if message.kind != BACK:
                raise ProtocolError("neither an answer nor a call")
            self._call_back(number, message.values)

    def _call_back(self, number: int, values: list[Any]) -> None:
        """Do what the student's code asks of something that the test lent to it."""
        with reading():
            thing, deed, names, *rest = values
            split = len(rest) - len(exact(names, tuple))
            named = dict(zip([exact(one, str) for one in names], rest[split:], strict=True))
        self.lent.depth += 1
        try:
            done = self.lent.deed(thing, exact(deed, str))(*rest[:split], **named)
            kind = OK
        except StudentGone:
            raise
        except (Exception, KeyboardInterrupt, SystemExit, GeneratorExit) as error:  # noqa: BLE001  # crosses over
            kind, done = RAISE, error
        finally:
            self.lent.depth -= 1
        self.before_asking()
        self._talk.post(kind, number, [done], self._beside)

    def _beside(self, encoder: Encoder) -> Node:
        extra: dict[str, Any] = {}
        if self._forgotten:
            extra["forget"], self._forgotten = self._forgotten, []
        if self._dropped:
            extra["drop"] = [self._dropped.popleft() for _ in range(len(self._dropped))]
        state = self._random.news()
        if state is not None:
            extra["random"] = encoder.node(state)
        return extra

    def _heard(self, extra: dict[str, Any]) -> None:
        for name, text in extra.get("out", ())[:1000]:
            stream = sys.stderr if name == "stderr" else sys.stdout
            stream.write(str(text)[:OUTPUT_CHARACTERS])

    # One test.

    def begin(self, allowed: Collection[str] | None, locked: Collection[str]) -> None:
        """Begin a test."""
        self.profile.allowed = None if allowed is None else frozenset(allowed)
        self.profile.asked = set()
        self.bent = False
        self._talk.twins.straighten()
        self._random.watch()
        self.ask("begin", tuple(locked))

    def rest(self) -> None:
        """Let the student's kernel go on with its own cells, and wait until it has come to rest.

        Raises:
            StudentGone: it does not.
        """
        with self._turn():
            self._talk.post(END, 0, [])
            if expect(self._talk.take(), 0).kind != END:
                raise ProtocolError("no end of a test")

    def end(self) -> None:
        """End a test: what it lent is taken back."""
        self._talk.twins.clear()
        self.lent.clear()
        self.seeing.clear()

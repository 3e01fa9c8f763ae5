"""Feed the checker's reader with random messages; run with the lab's own Python, in a jail.

Standard output: what happened, as JSON. Nothing here is imported by the product.
"""

import contextlib
import json
import random
import sys
import threading
import time
import warnings
from typing import Any

from lms.runtime.inside import arrays, plain, tables
from lms.runtime.inside.codec import READERS, Change, Decoder, reading
from lms.runtime.inside.frames import ProtocolError
from lms.runtime.inside.twins import Twins

KNOWN = (arrays, plain, tables)
for _name in ("numpy", "pandas", "scipy.sparse"):
    with contextlib.suppress(ImportError):
        __import__(_name)
TAGS = [
    *READERS,
    "r",
    "h",
    "q",
    "m",
    "x",
    "lent",
    "locked",
    "class",
    "enum",
    "estimator",
    "base",
    "V",
    "mine",
    "cx",
]
NAMES = ["numpy", "os", "system", "builtins", "eval", "__class__", "lms.runtime.inside.codec", "python3",
    "", "O", "<f8",
         "|O", "S0", "V8", "M8[ns]", "python", "pyarrow", "closed", "dateutil//dev/zero",
             "../../etc/passwd", "PosixPath",
         "keys", "int", "csr", "array", "matrix", "Int64", "boolean", "q", "both", "right", "D"]  # fmt: skip
NUMBERS = [0, 1, -1, 2, 7, 64, 2**31, 2**63, -(2**63), 10**30, 0.5, float("inf"), True, None]
FORBIDDEN = ("os.", "subprocess", "socket", "pickle", "shutil", "ctypes", "webbrowser", "pty")
HARMLESS = ("os.listdir", "os.scandir", "os.putenv")
KINDS = [
    "<f8",
    "<i4",
    "|b1",
    "|O",
    "<U3",
    "|S2",
    "<M8[ns]",
    "<m8[s]",
    "S0",
    ["V", [["a", "<f8", []]]],
    "f8,f8",
    "(2,)f8",
    "V8",
]


class Refusing:
    """Knows nothing beyond data."""

    def rule(self, value: object) -> None:
        """Know no rule."""
        del value

    def change(self) -> Any:
        """Refuse."""
        return Change.REFUSED

    def write(self, encoder: Any, value: object) -> Any:
        """Write nothing."""
        raise AssertionError((encoder, value))

    def read(self, decoder: Any, node: Any) -> Any:
        """Read nothing."""
        raise ProtocolError(str(decoder)[:10] + str(node)[:10])


def read(table: Any, body: Any, buffers: list[bytes]) -> Any:
    """Read a message's values as the conversation does."""
    with reading():
        decoder = Decoder(Twins(1), Refusing(), [bytearray(one) for one in buffers])
        decoder.take(table)
        return decoder.nodes(body)


class Fuzz:
    """Makes messages that are nearly right."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)

    def atom(self) -> Any:
        """Return a leaf."""
        return self.dice.choice(
            [self.dice.choice(NUMBERS), self.dice.choice(NAMES), self.dice.randrange(-2, 9)]
        )

    def node(self, depth: int = 0) -> Any:
        """Return a node."""
        roll = self.dice.random()
        if roll < 0.25 or depth > 5:
            return self.atom()
        if roll < 0.35:
            return [self.atom() for _ in range(self.dice.randrange(4))]
        if roll < 0.55:
            return self.array()
        if roll < 0.65:
            return ["r", self.dice.choice([-1, -2, -3, 1])]
        return [self.dice.choice(TAGS), *(self.node(depth + 1) for _ in range(self.dice.randrange(6)))]

    def array(self) -> Any:
        """Return an array that may be right."""
        shape = [self.dice.choice([0, 1, 2, 4, 8, 2**20, 2**40, -1]) for _ in range(self.dice.randrange(3))]
        if self.dice.random() < 0.2:
            return ["objects", shape, [self.atom() for _ in range(self.dice.randrange(5))]]
        return ["array", self.dice.choice(KINDS), shape, self.dice.randrange(4)]

    def message(self) -> tuple[Any, Any, list[bytes]]:
        """Return a table, values and buffers."""
        table = [[-number, self.node()] for number in range(1, self.dice.randrange(1, 5))]
        buffers = [self.dice.randbytes(self.dice.choice([0, 1, 8, 16, 32, 64])) for _ in range(4)]
        return table, [self.node() for _ in range(self.dice.randrange(3))], buffers


def main() -> None:
    """Run for a while and tell."""
    warnings.simplefilter("ignore")
    threading.stack_size(64 << 20)
    told: dict[str, Any] = {"seen": [], "other": [], "read": 0, "refused": 0, "slowest": 0.0}
    on = [True]

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if on[0] and event.startswith(FORBIDDEN) and event not in HARMLESS:
            told["seen"].append((event, repr(arguments)[:200]))

    sys.addaudithook(watch)
    fuzz, end = Fuzz(int(sys.argv[1])), time.monotonic() + 12
    while time.monotonic() < end:
        message = fuzz.message()
        begun = time.monotonic()
        try:
            read(*message)
            told["read"] += 1
        except ProtocolError:
            told["refused"] += 1
        except BaseException as error:  # noqa: BLE001  # that is what is looked for
            told["other"].append((repr(error)[:300], repr(message)[:600]))
        told["slowest"] = max(told["slowest"], time.monotonic() - begun)
    on[0] = False
    told["seen"], told["other"] = told["seen"][:10], told["other"][:10]
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()

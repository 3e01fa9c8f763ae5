"""What a challenge's entries are compared with: one version of it, as it is kept in the store."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from lms.leaderboards.core.scoring import Truth


@dataclass(frozen=True)
class Ground:
    """Truth, scorer and hidden files of one version of a board; nobody downloads it."""

    truth: Truth
    script: str  # the author's program, which may hold a scorer
    seed: int | None = None  # that the data were made from
    hidden: Mapping[str, str] = field(default_factory=dict)  # name -> SHA-256 of a file for re-run notebooks

    def to_json(self) -> bytes:
        """Return it as it is kept."""
        plain = {
            "truth": json.loads(self.truth.to_json()),
            "script": self.script,
            "seed": self.seed,
            "hidden": dict(self.hidden),
        }
        return json.dumps(plain, ensure_ascii=False, allow_nan=False).encode()

    @classmethod
    def from_json(cls, content: bytes) -> "Ground":
        """Bring back what `to_json` gave."""
        plain = json.loads(content)
        truth = Truth.from_json(json.dumps(plain["truth"]).encode())
        return cls(truth, plain["script"], plain["seed"], plain["hidden"])

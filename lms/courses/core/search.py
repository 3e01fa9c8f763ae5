"""Search that suits Korean: words may carry particles, and two letters are a word.

Each word of the query has to be found. A Korean word counts as found when at least half of its
two-letter pieces are (과정을 finds 과정은); any other word when it begins a word of the text.
"""

import re
import unicodedata
from collections.abc import Iterable

_WORD = re.compile(r"[가-힣ㄱ-ㅎㅏ-ㅣ]+|[^\W가-힣ㄱ-ㅎㅏ-ㅣ]+")
_HANGUL = re.compile(r"[가-힣ㄱ-ㅎㅏ-ㅣ]")
ENOUGH = 0.5  # share of a Korean word's pieces
LONGEST_QUERY = 100


def relevance(query: str, texts: Iterable[str]) -> float:
    """Say how well `texts` answer `query`.

    Units: share in [0, 1]; 0 = not found. Earlier texts weigh more; an empty query finds everything.
    """
    words = split(query[:LONGEST_QUERY])
    if not words:
        return 1.0
    fields = [split(text) for text in texts]
    scores = [_best(word, fields) for word in words]
    return 0.0 if min(scores) == 0 else sum(scores) / len(scores)


def split(text: str) -> list[str]:
    """Return the words of a text, folded, Korean apart from what it touches."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def _best(word: str, fields: list[list[str]]) -> float:
    weighted = (_in_field(word, field) / (1 + 0.25 * place) for place, field in enumerate(fields))
    return max(weighted, default=0.0)


def _in_field(word: str, field: list[str]) -> float:
    if not _HANGUL.match(word):
        return max((1.0 if other == word else 0.8 for other in field if other.startswith(word)), default=0.0)
    pieces = _pieces(word)
    share = max((len(pieces & _pieces(other)) / len(pieces) for other in field), default=0.0)
    if len(word) == 1:
        return 1.0 if any(word in other for other in field) else 0.0
    return share if share >= ENOUGH else 0.0


def _pieces(word: str) -> set[str]:
    return {word[i : i + 2] for i in range(len(word) - 1)} or {word}

"""Near-duplicate titles. Pure: no session, no clock, no I/O."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TypeVar

NEAR = 0.6
"""From this similarity on, two titles count as the same story. Two of three words shared is near; half is not."""
_WORD = re.compile(r"\w+")
_EMPTY_WORDS = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "by",
        "for",
        "from",
        "has",
        "have",
        "how",
        "in",
        "into",
        "is",
        "it",
        "its",
        "new",
        "of",
        "on",
        "or",
        "our",
        "that",
        "the",
        "their",
        "this",
        "to",
        "we",
        "what",
        "when",
        "why",
        "will",
        "with",
        "you",
        "your",
    ]
)
K = TypeVar("K")


def title_words(title: str) -> frozenset[str]:
    """The words that carry a title's meaning: folded, without accents and little words, a plural's s taken off."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", title.casefold()) if not unicodedata.combining(c))
    words = {w for w in _WORD.findall(plain) if w not in _EMPTY_WORDS}
    return frozenset(w[:-1] if len(w) > 3 and w.endswith("s") and not w.endswith("ss") else w for w in words)


def likeness(one: str, other: str) -> float:
    """How alike two titles are, 0..1: the words they share over the words of both (Jaccard). Titles without words are alike only
    when they are equal.
    """
    first, second = title_words(one), title_words(other)
    if not first or not second:
        return float(one.strip().casefold() == other.strip().casefold())
    return len(first & second) / len(first | second)


def near_duplicate_of(title: str, others: Iterable[tuple[K, str]]) -> K | None:
    """The key of the most alike of `others` (key, title) that counts as the same story; None when there is none."""
    best: tuple[float, K] | None = None
    for key, other in others:
        found = likeness(title, other)
        if found >= NEAR and (best is None or found > best[0]):
            best = (found, key)
    return best[1] if best else None


def near_duplicates(titles: Sequence[tuple[K, str]]) -> dict[K, K]:
    """Each later title that tells the story of an earlier one: its key -> the earlier key."""
    seen: list[tuple[K, str]] = []
    found: dict[K, K] = {}
    for key, title in titles:
        twin = near_duplicate_of(title, seen)
        if twin is None:
            seen.append((key, title))
        else:
            found[key] = twin
    return found

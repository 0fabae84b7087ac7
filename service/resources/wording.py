"""A member's text made ready for matching: language, spelling, abbreviations, clauses.

Pure; must never import a database, a web framework or another feature.
"""

import difflib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cache
from typing import Final

import snowballstemmer

from service.resources.lexicon import lexicon

LONGEST_REASON: Final = 2_000
_WORD: Final = re.compile(r"[^\W_]+(?:['’&-][^\W_]+)*")
_SENTENCE_END: Final = re.compile(r"(?<=[.!?;:])\s+|\n+|,\s+(?=(?:but|because|and|so|which|where|who)\b)|\s+[-–—]\s+")
_ENDINGS: Final = ("'s", "’s", "s", "es", "d", "ed", "ing", "ly", "er", "ers")
_SHORTEST_TO_CORRECT: Final = 4
_CLOSE_ENOUGH: Final = 0.75
# One slip in a short word, one more for every four letters.
_LETTERS_A_SLIP: Final = 4
_STEMMER: Final = snowballstemmer.stemmer("english")

Knows = Callable[[str], bool]


def tidy(text: str) -> str:
    """The text in one Unicode form, without control characters, at most LONGEST_REASON characters."""
    plain = unicodedata.normalize("NFKC", text[:LONGEST_REASON])
    return "".join(c if c == "\n" or unicodedata.category(c)[0] != "C" else " " for c in plain).strip()


def words(text: str) -> list[str]:
    """Lower-case words of a text in order; hyphens, apostrophes and the & of A&E stay inside a word."""
    return [match.group(0).lower().replace("’", "'") for match in _WORD.finditer(text)]


def stems(text: str) -> list[str]:
    """Stems of the words that carry meaning, in order, for counting shared words."""
    common = lexicon().english
    return [_stem(word) for word in words(text) if word not in common]


@cache
def _stem(word: str) -> str:
    return str(_STEMMER.stemWord(word))


def clauses(text: str) -> list[tuple[int, int]]:
    """Start and end of each clause or sentence of the text, in order, without the space around it."""
    spans: list[tuple[int, int]] = []
    start = 0
    for cut in [*_SENTENCE_END.finditer(text), None]:
        end = cut.start() if cut else len(text)
        piece = text[start:end]
        if piece.strip():
            left = start + len(piece) - len(piece.lstrip())
            spans.append((left, start + len(piece.rstrip())))
        start = cut.end() if cut else end
    return spans


def looks_foreign(text: str) -> bool:
    """Whether the text is in another language than English, by its commonest words or its script."""
    letters = [c for c in text if c.isalpha()]
    if not letters:
        return False
    if sum("LATIN" not in unicodedata.name(c, "") for c in letters) > 0.3 * len(letters):
        return True
    said = words(text)
    english = sum(word in lexicon().english for word in said)
    foreign = max(sum(word in common for word in said) for common in lexicon().foreign.values())
    return foreign > english and foreign >= 2


def looks_like_gibberish(text: str, knows: Knows) -> bool:
    """Whether most of the words are words of no kind we know of (a keyboard struck at random)."""
    longer = [word for word in words(text) if (len(word) > 2 and not word.isdigit()) or word in lexicon().english]
    unknown = sum(not is_known(word, knows) for word in longer)
    return not longer or unknown > len(longer) / 2


def is_known(word: str, knows: Knows) -> bool:
    """Whether the lower-case word, or the word it is an ending of, is known."""
    if word in lexicon().english or knows(word):
        return True
    for ending in _ENDINGS:
        base = word.removesuffix(ending)
        doubled = base[-2:-1] == base[-1:]
        if base != word and len(base) > 3 and (knows(base) or knows(base + "e") or (doubled and knows(base[:-1]))):
            return True
    return False


class Speller:
    """Mends misspelt words with words of the library and the lexicon; leaves words that it knows alone."""

    def __init__(self, vocabulary: Iterable[str], knows: Knows) -> None:
        """`knows` tells a real word of English from an unknown one; `vocabulary` holds lower-case words."""
        self._vocabulary = frozenset(vocabulary)
        self._by_initial: defaultdict[str, list[str]] = defaultdict(list)
        for word in sorted(self._vocabulary):
            if len(word) >= _SHORTEST_TO_CORRECT and word.isalpha():
                self._by_initial[word[0]].append(word)
        self._knows = knows

    def knows(self, word: str) -> bool:
        """Whether the lower-case word needs no mending."""
        return word in self._vocabulary or self._knows(word)

    def mend(self, text: str) -> str:
        """The text with each misspelt word replaced by the closest word of the vocabulary, where one is close."""
        return _WORD.sub(lambda match: self._mended(match.group(0)), text)

    def _mended(self, word: str) -> str:
        lower = word.lower()
        if len(word) < _SHORTEST_TO_CORRECT or not word.isalpha() or is_known(lower, self.knows):
            return word
        near = [w for w in self._by_initial[lower[0]] if abs(len(w) - len(lower)) <= 2]
        close = difflib.get_close_matches(lower, near, 6, _CLOSE_ENOUGH)
        # A wrong letter is likelier than a missing one: "ulsers" are ulcers, not users.
        slips = [(_slips(lower, w), abs(len(w) - len(lower)), n, w) for n, w in enumerate(close)]
        count, _, _, closest = min(slips, default=(len(lower), 0, 0, ""))
        # Another form of the same word ("resuscitating" beside "resuscitation") is no mistake.
        return closest if count <= max(1, len(lower) // _LETTERS_A_SLIP) and _stem(closest) != _stem(lower) else word


def _slips(one: str, other: str) -> int:
    """How many letters are wrong, missing, too many, or swapped with the next."""
    before, last = list[int](), list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        row = [i]
        for j, b in enumerate(other, 1):
            best = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                best = min(best, before[j - 2] + 1)
            row.append(best)
        before, last = last, row
    return last[-1]


def spell_out(text: str) -> str:
    """The text with each abbreviation of the health service followed by its meaning in brackets."""
    return _abbreviation_pattern().sub(_spelled_out, text)


def _spelled_out(match: re.Match[str]) -> str:
    found = match.group(0)
    name, meaning = _abbreviations()[found.lower()]
    # "must", "news" and "led" are words; only capitals tell that an abbreviation is meant. NEWS2 and psirf are none.
    if found != name and found.islower() and found in _also_words():
        return found
    return f"{found} ({meaning})"


@cache
def _abbreviations() -> dict[str, tuple[str, str]]:
    return {name.lower(): (name, meaning) for name, meaning in lexicon().abbreviations.items()}


@cache
def _abbreviation_pattern() -> re.Pattern[str]:
    names = sorted(map(re.escape, lexicon().abbreviations), key=len, reverse=True)
    return re.compile(rf"(?<![\w&-])(?:{'|'.join(names)})(?![\w&-])", re.IGNORECASE)


@cache
def _also_words() -> frozenset[str]:
    short = {name.lower() for name in lexicon().abbreviations if len(name) <= 3 and name.isupper()}
    return frozenset(short | {"news", "must", "nice", "prompt", "respect", "swarm", "sepsis", "safe", "restore"}) - {"nhs", "gp"}

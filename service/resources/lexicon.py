"""The words of the health service, kept by hand in lexicon.json: abbreviations, topics as people put them, filler.

Pure; must never import the rest of Kindling.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

LEXICON_FILE: Final = Path(__file__).with_name("lexicon.json")


@dataclass(frozen=True, slots=True)
class Lexicon:
    """What we know of members' language. `topics` maps a topic to everyday ways of putting it."""

    abbreviations: dict[str, str]
    topics: dict[str, tuple[str, ...]]
    nothing_to_match: tuple[str, ...]
    """Reasons that call for no resource: said of manners, chance or things outside the community."""
    fillers: tuple[str, ...]
    """Openings that say nothing of the need ("I would like to learn about"), longest first."""
    english: frozenset[str]
    """The commonest words of English: never a sign of what somebody needs."""
    foreign: dict[str, frozenset[str]]
    """The commonest words of other languages that are not words of `english`."""


@cache
def lexicon() -> Lexicon:
    """The lexicon as shipped, read once."""
    raw = json.loads(LEXICON_FILE.read_text(encoding="utf-8"))
    english = frozenset(raw["english"])
    return Lexicon(
        abbreviations=raw["abbreviations"],
        topics={name: tuple(phrases) for name, phrases in raw["topics"].items()},
        nothing_to_match=tuple(raw["nothing_to_match"]),
        fillers=tuple(raw["fillers"]),
        english=english,
        foreign={language: frozenset(words) - english for language, words in raw["foreign"].items()},
    )

"""Why a resource was chosen, in plain words: what the newcomer mentioned, and what the resource is.

Pure; must never import a database, a web framework or another feature. The sentence is plain text and holds no markup,
whatever the reason or the resource held: nothing that HTML, Jinja or Mailchimp's merge tags would read survives.
"""

import re
from typing import Final

from service.languages import Said, said
from service.resources.lexicon import lexicon

LONGEST_PHRASE: Final = 14
LONGEST_SUMMARY: Final = 30
_ADDRESS: Final = re.compile(r"\S*(?:https?:|www\.|@)\S*|\b\S+\.(?:com|org|net|uk|nhs|io|co)\b\S*", re.IGNORECASE)
_LONG_NUMBER: Final = re.compile(r"\+?\d[\d ()-]{6,}\d")
_TAG: Final = re.compile(r"<[^<>]*>|\*\|[^|]*\|\*|\{\{.*?\}\}|\{%.*?%\}|&#?\w+;")
_UNSAFE: Final = re.compile(r"[^\w\s'’,.&/%+:;()?!–—-]|_")
_SPACE_BEFORE: Final = re.compile(r"\s+(?=[,.;:?!])")
_LAST_SIGNS: Final = " ,.;:!?–—-/&("
_ONE: Final = ("a ", "an ", "the ", "one ")
_SEVERAL: Final = ("some ", "two ", "three ", "four ", "five ", "six ", "seven ", "ten ")


def explain(mentioned: str, title: str, summary: str) -> Said:
    """The sentence for member and facilitator, from words of the reason (`phrase_of`) and the resource's own."""
    what = _shortened(plain(summary).split(". ")[0].rstrip(_LAST_SIGNS), LONGEST_SUMMARY)
    lowered = what[:1].lower() + what[1:]
    if not what:
        name = plain(title) or said("this")
        if mentioned:
            return said("You mention “%(mentioned)s”; “%(name)s” may help.", mentioned=mentioned, name=name)
        return said("“%(name)s” may help.", name=name)
    if what.lower().startswith(_ONE):
        if mentioned:
            return said("You mention “%(mentioned)s”; this is %(what)s.", mentioned=mentioned, what=lowered)
        return said("This is %(what)s.", what=lowered)
    if what.lower().startswith(_SEVERAL):
        if mentioned:
            return said("You mention “%(mentioned)s”; these are %(what)s.", mentioned=mentioned, what=lowered)
        return said("These are %(what)s.", what=lowered)
    if mentioned:
        return said("You mention “%(mentioned)s”; this may help: %(what)s.", mentioned=mentioned, what=what)
    return said("This may help: %(what)s.", what=what)


def plain(text: str) -> str:
    """The text without markup, addresses, long numbers and signs that a template might read; on one line."""
    for pattern in (_TAG, _ADDRESS, _LONG_NUMBER, _UNSAFE):
        text = pattern.sub(" ", text)
    return _SPACE_BEFORE.sub("", " ".join(text.split())).strip()


def phrase_of(clause: str, focus: int) -> str:
    """The telling part of a clause of the reason, in the member's words, at most LONGEST_PHRASE words.

    `focus` is the index of the word it must hold. Openings such as "I would like to" are left out.
    """
    said = clause.split()
    first = min(_filler_length(said), focus)
    said, focus = said[first:], focus - first
    start = max(0, min(focus - LONGEST_PHRASE // 2, len(said) - LONGEST_PHRASE))
    end = start + LONGEST_PHRASE
    phrase = plain(" ".join(said[start:end])).strip(_LAST_SIGNS)
    phrase = phrase.rstrip("(").strip() if phrase.count("(") == phrase.count(")") else phrase.replace("(", "").replace(")", "")
    if not phrase:
        return ""
    return ("… " if start else "") + phrase + (" …" if end < len(said) else "")


def _filler_length(said: list[str]) -> int:
    """How many words at the start say nothing of the need."""
    done = 0
    while done < len(said):
        rest = " ".join(said[done:]).lower().replace("’", "'")
        found = next((f for f in lexicon().fillers if re.match(re.escape(f) + r"(?!\w|')", rest)), None)
        if found is None:
            return done
        done += len(found.split())
    return 0


def _shortened(text: str, most: int) -> str:
    """The text cut after `most` words, at a comma, colon or semicolon if there is one in the second half."""
    said = text.split()
    if len(said) <= most:
        return text
    kept = " ".join(said[:most])
    cut = max(kept.rfind(sign) for sign in (", ", ": ", "; "))
    return kept[:cut] if cut > len(kept) // 2 else kept.rstrip(_LAST_SIGNS) + " …"

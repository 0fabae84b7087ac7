"""From a newcomer's reason to join to resources ranked by fit, each with a score and a why; none when none fits.

Pure: the same reason, library and boosts always give the same answer. Must never import a database, a web framework,
settings or another feature. How it works and how well: `python -m evals.matching`.
"""

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from service.resources.candidates import Candidate, Encoder, Match, pack_vector, passage, unpack_vector, vector_digest
from service.resources.embedding import Floats
from service.resources.index import Index, key_of
from service.resources.learning import Use, learned_boosts
from service.resources.meaning import Meaning, Need
from service.resources.why import explain, phrase_of
from service.resources.wording import clauses, looks_foreign, looks_like_gibberish, spell_out, stems, tidy

__all__ = [
    "CONFIDENT",
    "SHOWN",
    "Candidate",
    "Encoder",
    "Match",
    "Matcher",
    "Use",
    "learned_boosts",
    "pack_vector",
    "passage",
    "unpack_vector",
    "vector_digest",
]

# From CONFIDENT up a match may go without a facilitator; a library whose best is below SHOWN has nothing on the matter.
CONFIDENT: Final = 0.8
SHOWN: Final = 0.1
# A reason this much nearer to "just curious" or "flights to Spain" than to any topic or resource calls for none.
EMPTY_BY: Final = 0.08
KEPT_INDEXES: Final = 4
_INFORMAL_FIRST: Final = (
    "sharing",
    "productive_inquiries",
    "negotiating_shared_understanding",
    "producing_assets",
    "creating_standards",
    "formal_access_to_knowledge",
    "visits",
)


@dataclass(frozen=True, slots=True)
class _Scale:
    """Turns likeness into how probably a match fits: a logistic curve, fitted on the evaluation's development half and other libraries."""

    likeness: float
    lead: float
    emptiness: float
    base: float
    shared: float
    topics: float


_BY_MEANING: Final = _Scale(likeness=2.4, lead=5.8, emptiness=-6.2, base=-2.6, shared=0.15, topics=0.12)
_BY_WORDS: Final = _Scale(likeness=8.6, lead=4.9, emptiness=0.0, base=-5.7, shared=1.0, topics=0.0)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A reason as asked: clause by clause in the member's words and made ready, and as a whole."""

    said: tuple[str, ...]
    ready: tuple[str, ...]

    @property
    def text(self) -> str:
        return " ".join(self.ready)


class Matcher:
    """Matches reasons to resources. One may serve all threads; libraries it has seen stay ready (the last four)."""

    def __init__(self, encoder: Encoder | None) -> None:
        """`encoder` is `MiniLM()`; with None only shared words and the lexicon count, and far fewer reasons are understood."""
        self._encoder = encoder
        self._lock = threading.Lock()
        self._meaning: Meaning | None = None
        self._indexes: list[Index] = []

    def match(self, reason: str, candidates: Sequence[Candidate], *, limit: int = 3) -> list[Match]:
        """At most `limit` matches, best first; empty when nothing is good enough, or the text is not English.

        Raises WeightsMissing when the encoder's weights are absent or not the trusted ones.
        """
        text = tidy(reason)
        if not candidates or limit < 1 or looks_foreign(text):
            return []
        index = self._index(candidates)
        asked = _asked(text, index)
        if self._encoder is not None and looks_like_gibberish(asked.text, index.speller.knows):
            return []
        meaning = self._ready_meaning()
        if meaning is None:
            shared = index.shared(asked.text)
            return _ranked(asked, shared, 0.0, None, None, candidates, limit, _BY_WORDS)
        need = meaning.need(asked.text)
        alike = index.likeness(need, asked.text)
        likeness = alike.whole + alike.pieces + _BY_MEANING.shared * alike.shared + _BY_MEANING.topics * alike.topics
        emptiness = need.emptiness - max(need.topicality, float(alike.whole[int(np.argmax(likeness))]))
        if emptiness > EMPTY_BY:
            return []
        return _ranked(asked, likeness, emptiness, need, alike.by_piece, candidates, limit, _BY_MEANING)

    def embed(self, texts: Sequence[str]) -> list[Floats]:
        """Vectors of passages (see `passage`) to keep with the resources, each (rows, 384); empty ones without an encoder."""
        meaning = self._ready_meaning()
        if meaning is None:
            return [np.zeros((0, 0), dtype=np.float32) for _ in texts]
        return meaning.resources(texts)

    def warm(self, candidates: Sequence[Candidate] = ()) -> None:
        """Load the model and make the library ready now (one to two seconds), not at the first question."""
        self._ready_meaning()
        if candidates:
            self._index(candidates)

    def _ready_meaning(self) -> Meaning | None:
        if self._encoder is not None and self._meaning is None:
            with self._lock:
                if self._meaning is None:
                    self._meaning = Meaning(self._encoder)
        return self._meaning

    def _index(self, candidates: Sequence[Candidate]) -> Index:
        meaning = self._ready_meaning()
        key = key_of(candidates)
        with self._lock:
            found = next((index for index in self._indexes if index.key == key), None)
            if found is None:
                # After an edit of the library only the edited resource has to be read again.
                seen = {text: vector for index in self._indexes for text, vector in index.vectors.items()}
                found = Index(candidates, meaning, self._encoder, seen)
            self._indexes = [found, *(index for index in self._indexes if index is not found)][:KEPT_INDEXES]
            return found


def _asked(text: str, index: Index) -> _Asked:
    said = tuple(text[start:end] for start, end in clauses(text))
    return _Asked(said, tuple(spell_out(index.speller.mend(clause)) for clause in said))


def _ranked(
    asked: _Asked,
    likeness: Floats,
    emptiness: float,
    need: Need | None,
    by_piece: Floats | None,
    candidates: Sequence[Candidate],
    limit: int,
    scale: _Scale,
) -> list[Match]:
    boosted = likeness + np.array([candidate.boost for candidate in candidates], dtype=np.float32)
    plain_scores, scores = (_scores(values, emptiness, scale) for values in (likeness, boosted))
    order = sorted(range(len(candidates)), key=lambda i: (-round(float(boosted[i]), 2), _formality(candidates[i]), candidates[i].id))
    matches: list[Match] = []
    if max(plain_scores) < SHOWN:
        return []
    for i in order[:limit]:
        if likeness[i] <= 0:
            break
        clause, focus = _mentioned(asked, candidates[i]) if need is None or by_piece is None else _touched(asked, need, by_piece, i)
        mentioned = phrase_of(clause, focus)
        why = explain(mentioned, candidates[i].title, candidates[i].summary)
        matches.append(Match(candidates[i].id, candidates[i].title, round(scores[i], 4), why, plain_scores[i] >= CONFIDENT, mentioned))
    return matches


def _scores(likeness: Floats, emptiness: float, scale: _Scale) -> list[float]:
    """Probability that each fits: grows with likeness and the lead over the best other, falls with an empty reason."""
    best = np.sort(likeness)[::-1][:2]
    scores: list[float] = []
    for value in map(float, likeness):
        rival = float(best[1]) if len(best) > 1 and value == float(best[0]) else float(best[0])
        lead = value - rival if len(best) > 1 else 0.0
        logit = scale.likeness * value + scale.lead * lead + scale.emptiness * emptiness + scale.base
        scores.append(1 / (1 + math.exp(-logit)))
    return scores


def _formality(candidate: Candidate) -> int:
    """Newcomers start with the informal: 0 for sharing to 6 for visits, 7 when nothing is said."""
    return min((_INFORMAL_FIRST.index(a) for a in candidate.activities if a in _INFORMAL_FIRST), default=len(_INFORMAL_FIRST))


def _touched(asked: _Asked, need: Need, by_piece: Floats, chosen: int) -> tuple[str, int]:
    """The clause that speaks for the chosen candidate more than for the others, and the index of its telling word."""
    telling = need.reading.weights * (by_piece[chosen] - by_piece.mean(axis=0))
    begins = np.cumsum([0, *(len(clause) + 1 for clause in asked.ready[:-1])])
    owner = np.searchsorted(begins, need.reading.starts, side="right") - 1
    totals = [float(telling[owner == clause].sum()) for clause in range(len(asked.ready))]
    clause = int(np.argmax(totals))
    own = np.where(owner == clause, telling, -np.inf)
    at = need.reading.starts[int(np.argmax(own))] - int(begins[clause])
    # Spelling out makes the ready clause longer than the said one: count words up to the telling one, bounded by the said.
    focus = len(asked.ready[clause][:at].split())
    return asked.said[clause], _same_word(asked.said[clause], asked.ready[clause], focus)


def _same_word(said: str, ready: str, focus: int) -> int:
    """Index in `said` of the word at `focus` in `ready`, where brackets may have been put in."""
    before = ready.split()[:focus]
    depth = inserted = 0
    for word in before:
        opens = word.startswith("(")
        depth += opens
        inserted += depth > 0
        depth -= word.rstrip(".,;:!?").endswith(")") and depth > 0
    return max(0, min(len(before) - inserted, len(said.split()) - 1))


def _mentioned(asked: _Asked, candidate: Candidate) -> tuple[str, int]:
    """The clause with the most words that the candidate has too, and the index of the first of them."""
    theirs = set(stems(spell_out(passage(candidate))))
    counts = [len(theirs & set(stems(ready))) for ready in asked.ready]
    clause = int(np.argmax(counts))
    said = asked.said[clause].split()
    focus = next((n for n, word in enumerate(said) if theirs & set(stems(spell_out(word)))), 0)
    return asked.said[clause], focus

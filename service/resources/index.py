"""A library made ready to be asked: its vectors, its shared-word counts and its vocabulary, built once per library.

Pure; must never import a database, a web framework or another feature.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import bm25s
import numpy as np

from service.resources.candidates import Candidate, Encoder, passage
from service.resources.embedding import Floats
from service.resources.lexicon import lexicon
from service.resources.meaning import Meaning, Need
from service.resources.wording import Speller, spell_out, stems, words

logging.getLogger("bm25s").setLevel(logging.WARNING)  # it asks for every detail as it is loaded

# A shared-word score that counts half of the most it can; a single rare word reaches about this.
HALF_LEXICAL: Final = 2.0


@dataclass(frozen=True, slots=True)
class Likeness:
    """How alike one reason and each candidate are; arrays of one number per candidate."""

    whole: Floats
    """Meaning as a whole, -1..1."""
    pieces: Floats
    """Mean over the reason's words of the best likeness to any word of the candidate, 0..1."""
    shared: Floats
    """Shared words (BM25), 0..1: the best candidate has its own strength, the others in proportion."""
    topics: Floats
    """How far both are about the same topics of the lexicon, 0..1."""
    by_piece: Floats
    """Shape (candidates, pieces of the reason): the best likeness of each piece."""


class Index:
    """One library. `key` tells whether it still is the same library."""

    def __init__(
        self, candidates: Sequence[Candidate], meaning: Meaning | None, encoder: Encoder | None, seen: Mapping[str, Floats]
    ) -> None:
        """Vectors that candidates bring, or `seen` holds by passage, are used; the others are made here, some 10 ms each."""
        self.key = key_of(candidates)
        self.candidates = tuple(candidates)
        texts = [spell_out(passage(candidate)) for candidate in candidates]
        self._bm25 = _bm25([stems(text) for text in texts])
        vocabulary = {word for text in [*texts, *_lexicon_texts()] for word in words(text)}
        self.speller = Speller(vocabulary, encoder.knows if encoder else lambda word: word in vocabulary)
        self.vectors: dict[str, Floats] = {}
        """The vector of each passage, for the next index; empty without a model."""
        if meaning is not None:
            self._place(meaning, seen)

    def shared(self, text: str) -> Floats:
        """Strength of the words that the text (spelled out) and each candidate share, 0..1."""
        said = [stem for stem in dict.fromkeys(stems(text)) if self._bm25 and stem in self._bm25.vocab_dict]
        if not said or self._bm25 is None:
            return np.zeros(len(self.candidates), dtype=np.float32)
        scores = np.asarray(self._bm25.get_scores(said), dtype=np.float32)
        strengths: Floats = scores / (scores.max() + np.float32(HALF_LEXICAL))
        return strengths

    def likeness(self, need: Need, text: str) -> Likeness:
        """Everything the reason has in common with each candidate."""
        weights = need.reading.weights
        by_piece = np.zeros((len(self.candidates), len(weights)), dtype=np.float32)
        telling = np.flatnonzero(weights)
        if len(telling):
            best = np.maximum.reduceat(self._pieces @ need.reading.pieces[telling].T, self._starts, axis=0)
            by_piece[:, telling] = best
        total = max(float(weights.sum()), 1e-6)
        pieces = by_piece @ weights / np.float32(total)
        return Likeness(self._whole @ need.vector, pieces, self.shared(text), self._topics @ need.topics, by_piece)

    def _place(self, meaning: Meaning, seen: Mapping[str, Floats]) -> None:
        brought = {passage(c): np.asarray(c.vector, dtype=np.float32) for c in self.candidates if c.vector is not None}
        known = {**seen, **brought}
        missing = list(dict.fromkeys(text for text in map(passage, self.candidates) if text not in known))
        known.update(zip(missing, meaning.resources(missing), strict=True))
        self.vectors = {text: known[text] for text in map(passage, self.candidates)}
        vectors = [self.vectors[passage(candidate)] for candidate in self.candidates]
        self._whole: Floats = np.stack([vector[0] for vector in vectors])
        self._topics = meaning.topics_of(np.stack([vector[1] for vector in vectors]))
        # Every candidate has at least one row here, else the next one's rows would be taken for its own.
        pieces = [vector[2:] if len(vector) > 2 else vector[:1] for vector in vectors]
        self._pieces: Floats = np.concatenate(pieces)
        self._starts = np.cumsum([0, *(len(rows) for rows in pieces[:-1])])


def key_of(candidates: Sequence[Candidate]) -> tuple[tuple[str, str, str, str, tuple[str, ...]], ...]:
    """What an index is built from, apart from vectors (made of the same words) and boosts (looked up at each question)."""
    return tuple((c.id, c.title, c.summary, c.body, c.topics) for c in candidates)


def _bm25(documents: list[list[str]]) -> bm25s.BM25 | None:
    if not any(documents):
        return None
    model = bm25s.BM25(k1=1.2, b=0.75)
    model.index(documents, show_progress=False)
    return model


def _lexicon_texts() -> list[str]:
    known = lexicon()
    phrases = [phrase for said in known.topics.values() for phrase in said]
    return [*known.abbreviations, *known.abbreviations.values(), *known.topics, *phrases, *known.nothing_to_match, *known.fillers, "really"]

"""Where texts lie by meaning: the vectors of resources and reasons, drawn towards the topics members speak of.

Pure; must never import a database, a web framework or another feature.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from service.resources.candidates import Encoder
from service.resources.embedding import Floats, Reading
from service.resources.lexicon import lexicon
from service.resources.wording import spell_out

# How far a resource is drawn to its topic: a summary speaks as its publisher does, the topic's phrases as members do.
TOPIC_PULL: Final = 0.5
TOPICS_OF_A_RESOURCE: Final = 2
TOPIC_SHARPNESS: Final = 0.05
# A text is about few topics: so many at most, and one this much farther off than the nearest counts little.
TOPICS_OF_A_TEXT: Final = 4
TOPIC_NEARNESS: Final = 0.05
# Title, summary, topics, body: a title may be no more than a name, and topics are but labels.
SHARES: Final = (1.0, 2.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Need:
    """A reason as read: as a whole (centred, unit length), and piece by piece with how much each piece says."""

    vector: Floats
    reading: Reading
    emptiness: float
    """Closest likeness to a reason that calls for no resource, -1..1."""
    topicality: float
    """Closest likeness to a topic of the lexicon, -1..1."""
    topics: Floats
    """How much it is about each topic of the lexicon, unit length."""


class Meaning:
    """The common ground of reasons and resources. Built once from the lexicon, about a second; read-only after."""

    def __init__(self, encoder: Encoder) -> None:
        """Reads the lexicon's topics. Raises WeightsMissing when the encoder has none."""
        self._encoder = encoder
        words = lexicon()
        names = encoder.encode(list(words.topics))
        phrases = encoder.encode([phrase for said in words.topics.values() for phrase in said])
        # All texts of one field point the same way, which hides what sets them apart; each centre is taken out.
        self._reason_centre: Floats = phrases.mean(axis=0)
        self._resource_centre: Floats = names.mean(axis=0)
        sizes = [len(said) for said in words.topics.values()]
        self._first_phrases = np.cumsum([0, *sizes[:-1]])
        sums = np.add.reduceat(phrases, self._first_phrases, axis=0)
        self._topics = unit(sums + names)
        self._needed = self._centred_reason(self._topics)
        self._phrases = self._centred_reason(phrases)
        self._names = self._centred_reason(names)
        self._empty = self._centred_reason(encoder.encode(words.nothing_to_match))

    def need(self, text: str) -> Need:
        """The reason (spelled out already) as the matcher compares it."""
        reading = self._encoder.read([text])[0]
        vector = self._centred_reason(reading.vector)
        emptiness, topicality = (float((known @ vector).max()) for known in (self._empty, self._needed))
        return Need(vector, reading, emptiness, topicality, self.topics_of(vector[np.newaxis])[0])

    def topics_of(self, vectors: Floats) -> Floats:
        """How much each text (centred, a row each) is about each topic, by the phrase of the topic that is nearest; rows of unit length.

        Two texts that share hardly a word may still be near the same phrases, in different ways of speaking.
        """
        near = np.maximum.reduceat(self._phrases @ vectors.T, self._first_phrases, axis=0).T
        near = np.maximum(near, vectors @ self._names.T)
        shares = np.exp((near - near.max(axis=1, keepdims=True)) / np.float32(TOPIC_NEARNESS))
        least = np.partition(shares, -TOPICS_OF_A_TEXT, axis=1)[:, [-TOPICS_OF_A_TEXT]]
        return unit(np.where(shares >= least, shares, 0))

    def resources(self, passages: Sequence[str]) -> list[Floats]:
        """Vectors of passages: row 0 the whole, centred and drawn to its topics; row 1 without the drawing; then a row for each piece."""
        parts = [_parts(passage) for passage in passages]
        readings = iter(self._encoder.read([text for of_one in parts for text, _ in of_one]))
        vectors: list[Floats] = []
        for of_one in parts:
            read = [(next(readings), weight) for _, weight in of_one]
            whole = unit(np.sum([weight * reading.vector for reading, weight in read], axis=0))
            own = unit(whole - self._resource_centre)
            vectors.append(np.vstack([self._placed(whole, own), own, *(reading.pieces for reading, _ in read)]))
        return vectors

    def _placed(self, whole: Floats, own: Floats) -> Floats:
        likeness = self._topics @ whole
        nearest = np.argsort(-likeness)[:TOPICS_OF_A_RESOURCE]
        shares = np.exp((likeness[nearest] - likeness[nearest[0]]) / TOPIC_SHARPNESS) * np.maximum(likeness[nearest], 0)
        if not shares.any():
            return own
        return unit(own + TOPIC_PULL * self._centred_reason(unit(shares @ self._topics[nearest])))

    def _centred_reason(self, vectors: Floats) -> Floats:
        return unit(vectors - self._reason_centre)


def unit(vectors: Floats) -> Floats:
    """The vectors scaled to length one; a vector of nothing stays nothing."""
    lengths = np.sqrt(np.sum(vectors * vectors, axis=-1, keepdims=True))
    lengths[lengths == 0] = 1
    scaled: Floats = vectors / lengths
    return scaled.astype(np.float32, copy=False)


def _parts(passage: str) -> list[tuple[str, float]]:
    """The parts of a passage that say something, spelled out, each with its share in where the whole lies."""
    parts = [(spell_out(line), share) for line, share in zip(passage.split("\n"), SHARES, strict=False) if line.strip()]
    return parts or [("", 1.0)]

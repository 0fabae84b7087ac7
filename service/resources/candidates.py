"""What the matcher takes and gives: a resource as a candidate, an answer as a match, a reader of texts.

Pure; must never import a database, a web framework or another feature.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from service.resources.lexicon import LEXICON_FILE

if TYPE_CHECKING:  # a process that is never asked for a match loads no numpy
    from service.resources.embedding import Floats, Reading

WEIGHTS_SHA256: Final = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
DIMENSIONS: Final = 384

# Enough of a long body to say what it is about; the title and the summary carry the rest.
BODY_USED: Final = 600


class Encoder(Protocol):
    """Reads texts into vectors; `MiniLM` is the one we ship."""

    def encode(self, texts: Sequence[str]) -> "Floats":
        """Unit vectors of the texts, shape (len(texts), 384)."""
        ...

    def read(self, texts: Sequence[str]) -> "list[Reading]":
        """Each text as a whole and piece by piece."""
        ...

    def knows(self, word: str) -> bool:
        """Whether the word is a common word of the language."""
        ...


class Matching(Protocol):
    """Finds the resources that fit; `Matcher` is the one we ship."""

    def match(self, reason: str, candidates: "Sequence[Candidate]", *, limit: int = 3) -> "list[Match]":
        """At most `limit` matches, best first."""
        ...

    def embed(self, texts: Sequence[str]) -> "list[Floats]":
        """Vectors of passages, to keep with the resources."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A resource that may be matched. `vector` is what `Matcher.embed` gave for its `passage`, shape (rows, 384)."""

    id: str
    title: str
    summary: str
    body: str = ""
    topics: tuple[str, ...] = ()
    activities: tuple[str, ...] = ()
    vector: "Floats | None" = None
    boost: float = 0.0


@dataclass(frozen=True, slots=True)
class Match:
    """A resource for a reason: `score` 0..1 is how likely it fits; `confident` that it may go without a facilitator."""

    resource_id: str
    title: str
    score: float
    why: str
    confident: bool
    mentioned: str = ""
    """The words of the reason that `why` quotes."""


def passage(candidate: Candidate) -> str:
    """The text that `Matcher.embed` wants for a candidate: title, summary, topics and the start of the body, a line each."""
    parts = (candidate.title, candidate.summary, ", ".join(candidate.topics), candidate.body[:BODY_USED])
    return "\n".join(" ".join(part.split()) for part in parts)


def vector_digest(candidate: Candidate) -> str:
    """What a stored vector was made of: changes with the candidate's words, the lexicon and the model (64 hex digits)."""
    lexicon_digest = hashlib.sha256(LEXICON_FILE.read_bytes()).hexdigest()
    return hashlib.sha256(f"2\n{WEIGHTS_SHA256}\n{lexicon_digest}\n{passage(candidate)}".encode()).hexdigest()


def pack_vector(vector: "Floats") -> bytes:
    """The vector as little-endian float16 bytes, some 20 kB, for a column of the database."""
    return vector.astype("<f2").tobytes()


def unpack_vector(stored: bytes) -> "Floats":
    """The vector of `pack_vector`, shape (rows, 384). Raises ValueError for bytes of another shape."""
    import numpy as np  # noqa: PLC0415  # as above

    return np.frombuffer(stored, dtype="<f2").reshape(-1, DIMENSIONS).astype(np.float32)

"""The matcher, made when it is first asked: it brings numpy, a network and 90 MB of weights, and most processes never need one."""

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from service.resources.candidates import Candidate, Match, Matching

if TYPE_CHECKING:
    from service.resources.embedding import Floats


class MatcherAtFirstUse:
    """Stands for the matcher that `make` gives. May be asked by several threads; only the first waits longer (a second or two)."""

    def __init__(self, make: Callable[[], Matching]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: Matching | None = None

    def match(self, reason: str, candidates: Sequence[Candidate], *, limit: int = 3) -> list[Match]:
        """As the matcher itself."""
        return self._matcher().match(reason, candidates, limit=limit)

    def embed(self, texts: Sequence[str]) -> "list[Floats]":
        """As the matcher itself."""
        return self._matcher().embed(texts)

    def _matcher(self) -> Matching:
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made

"""What a measurement found, kept beside the others: each figure with its peer or limit from the same run, and the ratio between them.

Absolute figures depend on the machine; ratios are what can be compared.
"""

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement. `ours` and `peer` share a unit; `ratio` is ours over peer; `wanted` is the ratio to reach (at least, or at most
    where `less_is_better`); None where there is no peer.
    """

    work: str
    size: int
    ours: float
    unit: str
    peer: float | None = None
    peer_is: str = ""
    wanted: float | None = None
    less_is_better: bool = False

    @property
    def ratio(self) -> float | None:
        """Ours over the peer."""
        return None if not self.peer else self.ours / self.peer

    @property
    def is_met(self) -> bool | None:
        """Does the ratio reach what is wanted? None where nothing is."""
        if self.wanted is None or self.ratio is None:
            return None
        return self.ratio <= self.wanted if self.less_is_better else self.ratio >= self.wanted

    def in_words(self) -> str:
        """One line."""
        line = f"{self.work}, {self.size:,}: {self.ours:,.1f} {self.unit}"
        if self.ratio is not None:
            line += f"; {self.peer_is}: {self.peer:,.1f}; ratio {self.ratio:.2f}"
        if self.wanted is not None:
            line += f" (wanted {'at most' if self.less_is_better else 'at least'} {self.wanted:g}: {'met' if self.is_met else 'NOT MET'})"
        return line


def keep(name: str, figures: Sequence[Figure]) -> None:
    """Print the figures and keep them under `bench/results/<name>.json`."""
    RESULTS.mkdir(exist_ok=True)
    for figure in figures:
        print(figure.in_words(), flush=True)
    told = {"python": platform.python_version(), "figures": [asdict(figure) for figure in figures]}
    (RESULTS / f"{name}.json").write_text(json.dumps(told, indent=1) + "\n")


def kept() -> dict[str, list[Figure]]:
    """Everything that was kept, by measurement."""
    return {path.stem: [Figure(**figure) for figure in json.loads(path.read_text())["figures"]] for path in sorted(RESULTS.glob("*.json"))}

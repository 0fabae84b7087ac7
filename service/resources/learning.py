"""What the library learns: how facilitators' swaps and members' clicks move a resource up or down.

Pure: the same counts always give the same boost, so taking back a count takes back its effect. Must never import a
database, a web framework or another feature.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

# The most a resource can gain or lose. Two neighbours in a ranking mostly lie 0.05 to 0.25 apart, so that learning settles
# close calls and never lifts a resource over one that fits plainly better.
BOOST_CAP: Final = 0.12
# A choice by hand says more than a click: the facilitator has read the reason, and clicks are partly made by machines.
SWAP_WORTH: Final = 3.0
# Until about this many signals have come in, the boost stays a small part of the cap.
PATIENCE: Final = 8.0
# The share of shown resources that are clicked when nothing is known yet.
USUAL_CLICK_RATE: Final = 0.3


@dataclass(frozen=True, slots=True)
class Use:
    """How often a resource was shown in a sent welcome, clicked by its reader, swapped in and swapped out (counts >= 0)."""

    resource_id: str
    shown: int = 0
    clicked: int = 0
    swapped_in: int = 0
    swapped_out: int = 0


def learned_boosts(uses: Iterable[Use]) -> dict[str, float]:
    """Boost of each resource by id, within -BOOST_CAP..BOOST_CAP; 0.0 for one without a history.

    boost = cap x (3 x (swapped in - swapped out) + clicked - 0.3 x shown) / (8 + 3 x all swaps + shown)
    Add it to `Candidate.boost`. It changes the order and the score, never whether a match is confident.
    """
    return {use.resource_id: _boost(use) for use in uses}


def _boost(use: Use) -> float:
    # Clicks of several readers, or of a preview, may outnumber the showings; more than one a showing says no more.
    clicked = min(use.clicked, use.shown)
    evidence = SWAP_WORTH * (use.swapped_in - use.swapped_out) + clicked - USUAL_CLICK_RATE * use.shown
    weight = PATIENCE + SWAP_WORTH * (use.swapped_in + use.swapped_out) + use.shown
    return max(-BOOST_CAP, min(BOOST_CAP, BOOST_CAP * evidence / weight))

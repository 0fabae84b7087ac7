"""Faults on order: which request or webhook goes wrong, how, and how often."""

import random
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase

from sandbox.store import Doc

# kind -> is the operation carried out before things go wrong?
REQUEST_KINDS = {
    "hang": True,
    "reset": True,
    "error": True,
    "html": True,
    "too_many": False,
    "forbidden": False,
    "slow": True,
    "key_revoked": False,
    "close": False,
}
WEBHOOK_KINDS = frozenset({"webhook_duplicate", "webhook_shuffle", "webhook_delay", "webhook_drop", "webhook_early"})
OTHER_KINDS = frozenset({"no_scheduling", "search_lag"})
KINDS = frozenset(REQUEST_KINDS) | WEBHOOK_KINDS | OTHER_KINDS


@dataclass(slots=True)
class Fault:
    """One fault. It fires on the `nth` matching call, or on each with `probability`, at most `count` times."""

    id: int
    kind: str
    product: str = "*"  # marketing | transactional | inbound | *
    operation: str = "*"  # glob on 'POST /lists/{list_id}', 'POST /lists/abc', 'messages/send', or an event type
    nth: int = 0
    count: int | None = 1
    probability: float = 1.0
    seconds: float = 3600.0
    status: int = 500
    accept: bool | None = None
    seen: int = 0
    fired: int = 0

    def accepts(self) -> bool:
        """Return whether the operation is carried out before it goes wrong."""
        return REQUEST_KINDS.get(self.kind, True) if self.accept is None else self.accept


class FaultBook:
    """The faults in force; they live in memory only."""

    def __init__(self, seed: int) -> None:
        """Start with none."""
        self.faults: list[Fault] = []
        self._random = random.Random(seed)
        self._number = 0

    def add(self, given: Doc) -> Fault:
        """Put a fault in force. Raises ValueError for a kind or field that does not exist."""
        if given.get("kind") not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(sorted(KINDS))}")
        unknown = set(given) - {"kind", "product", "operation", "nth", "count", "probability", "seconds", "status", "accept"}
        if unknown:
            raise ValueError(f"unknown field {min(unknown)}")
        self._number += 1
        fault = Fault(id=self._number, **given)
        self.faults.append(fault)
        return fault

    def remove(self, fault_id: int) -> bool:
        """Take a fault out of force; False when there is none of that number."""
        before = len(self.faults)
        self.faults = [fault for fault in self.faults if fault.id != fault_id]
        return len(self.faults) < before

    def clear(self) -> None:
        """Take all faults out of force."""
        self.faults.clear()

    def listed(self) -> list[Doc]:
        """Return every fault with how often it was seen and fired."""
        return [asdict(fault) for fault in self.faults]

    def request(self, product: str, names: tuple[str, ...]) -> Fault | None:
        """Return the fault that this request meets, if any; `names` are its template and its path."""
        return self._first(frozenset(REQUEST_KINDS), product, names) if self.faults else None

    def webhook(self, kind: str, product: str, label: str) -> Fault | None:
        """Return the webhook fault of a kind that applies now, if any."""
        return self._first(frozenset({kind}), product, (label,)) if self.faults else None

    def standing(self, kind: str) -> Fault | None:
        """Return a fault that is a state of affairs, such as `no_scheduling`."""
        return self._first(frozenset({kind}), "*", ("*",)) if self.faults else None

    def _first(self, kinds: frozenset[str], product: str, names: tuple[str, ...]) -> Fault | None:
        for fault in self.faults:
            if fault.kind in kinds and self._matches(fault, product, names) and self._fires(fault):
                return fault
        return None

    def _matches(self, fault: Fault, product: str, names: tuple[str, ...]) -> bool:
        if fault.product not in ("*", product) and product != "*":
            return False
        return fault.operation == "*" or any(fnmatchcase(name, fault.operation) for name in names)

    def _fires(self, fault: Fault) -> bool:
        if fault.count is not None and fault.fired >= fault.count:
            return False
        fault.seen += 1
        if fault.nth and fault.seen < fault.nth:
            return False
        if fault.probability < 1 and self._random.random() >= fault.probability:
            return False
        fault.fired += 1
        return True

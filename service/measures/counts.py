"""The rates of the measures, worked out from counts. Pure; must never import a database or a framework."""

from dataclasses import dataclass


def percent(part: int, whole: int) -> float | None:
    """`part` of `whole` in percent, rounded half away from zero to one decimal; None when `whole` is 0: there is no rate of nothing.

    Worked out in whole numbers, so that 12.25 becomes 12.3 on every machine.
    """
    if whole == 0:
        return None
    tenths = (2000 * abs(part) + abs(whole)) // (2 * abs(whole))
    return tenths / 10 if (part < 0) == (whole < 0) else -tenths / 10


@dataclass(frozen=True, slots=True)
class EmailCounts:
    """Counts of deliveries whose message was sent in one period. Opens and clicks are of deliveries that arrived.

    `opened` and `clicked` count deliveries with at least one open or click by a person, `*_raw` by a person or a machine.
    `not_measured` arrived where the member declined measuring: their opens and clicks are unknown, not nil.
    """

    sent: int = 0
    bounced: int = 0
    opened: int = 0
    opened_raw: int = 0
    clicked: int = 0
    clicked_raw: int = 0
    unsubscribed: int = 0
    complaints: int = 0
    not_measured: int = 0
    replies: int = 0

    def __add__(self, other: "EmailCounts") -> "EmailCounts":
        return EmailCounts(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))

    @property
    def delivered(self) -> int:
        """Sent less bounced."""
        return self.sent - self.bounced

    @property
    def opened_pct(self) -> float | None:
        """'Distinct (message, recipient) pairs opened at least once by a person, over delivered.'"""
        return percent(self.opened, self.delivered)

    @property
    def opened_pct_raw(self) -> float | None:
        """The same with opens by machines counted."""
        return percent(self.opened_raw, self.delivered)

    @property
    def clicked_pct(self) -> float | None:
        """'Distinct (message, recipient) pairs with at least one human click, over delivered (click rate).'"""
        return percent(self.clicked, self.delivered)

    @property
    def clicked_pct_raw(self) -> float | None:
        """The same with clicks by machines counted."""
        return percent(self.clicked_raw, self.delivered)

    @property
    def click_to_open_pct(self) -> float | None:
        """Clicked over opened, both by people."""
        return percent(self.clicked, self.opened)


@dataclass(frozen=True, slots=True)
class EventCounts:
    """Events of one period and who attended them."""

    count: int
    attendees: int
    distinct_attendees: int


@dataclass(frozen=True, slots=True)
class ListSize:
    """The mailing list at one instant."""

    people: int
    organisations: int


@dataclass(frozen=True, slots=True)
class LinkCounts:
    """One link in the mails of a period: clicks by people, and how many people."""

    url: str
    clicks: int
    people: int

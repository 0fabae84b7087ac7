"""Instants as Mailchimp writes and reads them. Pure."""

from datetime import UTC, datetime


def to_iso(instant: datetime) -> str:
    """`2026-11-25T09:00:00+00:00`: UTC with the offset written out, since Mailchimp ignores other offsets in `since_*`."""
    return instant.astimezone(UTC).replace(microsecond=0).isoformat()


def from_text(text: object) -> datetime | None:
    """An ISO instant or `YYYY-MM-DD HH:MM:SS`, both UTC where no zone is written; None for an empty or missing one.
    Raises ValueError for anything else.
    """
    if not text:
        return None
    found = datetime.fromisoformat(str(text))
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def require_instant(text: object) -> datetime:
    """As `from_text`, for fields that can't be empty."""
    found = from_text(text)
    if found is None:
        raise ValueError("an instant is missing")
    return found


def from_unix(seconds: object) -> datetime:
    """Whole or fractional seconds since 1970. Raises ValueError when out of range, TypeError when no number."""
    if not isinstance(seconds, int | float | str) or isinstance(seconds, bool):
        raise TypeError("not a number of seconds")
    try:
        return datetime.fromtimestamp(float(seconds), UTC)
    except (OverflowError, OSError) as error:
        raise ValueError("seconds out of range") from error

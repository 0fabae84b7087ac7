"""Times as the community's clock shows them, in forms, and as instants for the API. Pure."""

from datetime import datetime
from zoneinfo import ZoneInfo

from service.errors import InvalidInput


def as_instant(text: str, zone: ZoneInfo, *, field: str) -> str:
    """A local time of a form as an instant. Raises InvalidInput that names the field."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=zone).isoformat()
    except ValueError as error:
        raise InvalidInput.field(field, "give a day and a time") from error


def as_local(instant: str, zone: ZoneInfo) -> str:
    """An instant as a form's field for a local time takes it."""
    return f"{datetime.fromisoformat(instant).astimezone(zone):%Y-%m-%dT%H:%M}"


def countdown(at: str | None, now: datetime) -> str:
    """How long until then, in words; empty when it is past or unknown."""
    seconds = (datetime.fromisoformat(at) - now).total_seconds() if at else 0
    if seconds <= 0:
        return ""
    minutes = int(seconds // 60)
    named = [(minutes // 1440, "day"), (minutes % 1440 // 60, "hour"), (minutes % 60, "minute")]
    told = [f"{n} {unit}{'' if n == 1 else 's'}" for n, unit in named if n][:2]
    return " and ".join(told) or "less than a minute"

"""Finding an address in raw text as providers write it: in JSON, in a form, in a mail. Pure, but for the SQL filter it builds."""

import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote, quote_plus, unquote_plus

from sqlalchemy import ColumnElement, or_
from sqlalchemy.orm import Mapped

_BEFORE = r"(?<![A-Za-z0-9.!#$%&'*+/?^_`{|}~-])"
_AFTER = r"(?![A-Za-z0-9_-]|\.[A-Za-z0-9])"


def mentions(text: str, addresses: Iterable[str]) -> bool:
    """Does the text hold one of the addresses, whole: `a@x.org` is not in `ma@x.org`, nor in `a@x.org.uk`."""
    forms = (text, unquote_plus(text)) if "%" in text else (text,)
    patterns = [re.compile(_BEFORE + re.escape(address) + _AFTER, re.IGNORECASE) for address in addresses if address]
    return any(pattern.search(form) for pattern in patterns for form in forms)


def may_mention(column: Mapped[str] | ColumnElement[str], addresses: Sequence[str]) -> ColumnElement[bool]:
    """A filter for the database that lets through every row that mentions an address, and some that only seem to."""
    written = {form for address in addresses for form in (address, quote_plus(address), quote(address))}
    return or_(*(column.icontains(form, autoescape=True) for form in sorted(written)))

"""Addresses: one form for keeping, one for comparing. Pure; no session, no clock, no network."""

import re
import unicodedata

from email_validator import EmailNotValidError, validate_email

from service.errors import InvalidInput

LONGEST_ADDRESS = 254
LONGEST_LOCAL_PART = 64
_EDGES = "\u200b\u200c\u200d\u2060\ufeff"
_ATOM = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
_PLAIN = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@(?:[a-z0-9](?:[a-z0-9-]{{0,61}}[a-z0-9])?\.)+[a-z]{{2,63}}")
"""Nearly every address there is; anything else is the library's to judge."""


def _is_plain(folded: str) -> bool:
    return (
        len(folded) <= LONGEST_ADDRESS
        and folded.find("@") <= LONGEST_LOCAL_PART
        and "--" not in folded
        and _PLAIN.fullmatch(folded) is not None
    )


def _judged(text: str) -> str | None:
    """The address with its domain in ASCII, or None when the library finds it wrong."""
    try:
        return validate_email(text, check_deliverability=False, allow_smtputf8=False, strict=True, test_environment=True).ascii_email
    except EmailNotValidError:
        return None


def _tidy(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip().strip(_EDGES).strip()


def email_key(email: str) -> str:
    """The address folded for comparing: lower case, the domain as IDNA ASCII; dots and `+tags` are kept, for they may be
    another person's. Never fails: what is no address is only tidied. Folding twice changes nothing.
    """
    folded = email.lower()
    if _is_plain(folded):
        return folded
    folded = _tidy(_tidy(email).lower())
    if _is_plain(folded):
        return folded
    judged = _judged(folded)
    return judged.lower() if judged else folded


def read_address(text: str) -> tuple[str, str]:
    """An address as a person wrote it: (the address to keep and write to, its `email_key`).

    The part before the @ keeps its letter case; the domain is lower case ASCII. Raises InvalidInput naming the mend.
    """
    folded = text.lower()
    if folded.isascii() and _is_plain(folded):
        local, _, _ = text.partition("@")
        return local + folded[len(local) :], folded
    tidy = _tidy(text).removeprefix("mailto:")
    if not tidy:
        raise InvalidInput.field("email", "is missing; every member needs an address")
    if "@" not in tidy:
        raise InvalidInput.field("email", "has no @; use an address such as name@trust.nhs.uk")
    kept = _judged(tidy)
    if kept is None or len(kept) > LONGEST_ADDRESS:
        raise InvalidInput.field("email", "is not a complete address; use one such as name@trust.nhs.uk")
    local, _, domain = kept.rpartition("@")
    return f"{local}@{domain.lower()}", kept.lower()


def domain_of(key: str) -> str:
    """The domain of an `email_key`."""
    return key.rpartition("@")[2]

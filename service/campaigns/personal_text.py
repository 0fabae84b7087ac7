"""A personal mail as values of Mailchimp merge fields: at most 255 bytes each, cut between paragraphs, lines or words. Pure but for the
letter's layout, which is rendered once and filled by Mailchimp for each person.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from service.messages.rules import MessageKind
from service.providers.merge_fields import MERGE_FIELD_BYTES
from service.rendering import Draft, Rendered, Renderer, View
from service.rendering.safety import neutralise

SUBJECT_FIELD = "PSUBJ"
TEXT_FIELDS = tuple(f"P{n}" for n in range(1, 9))
_FOOTER = "\n--\n"
_PLACE = "personal-text-{}-here"
_NOT_IN_HTML = str.maketrans({"<": "‹", ">": "›"})
"""Mailchimp puts values into HTML as they are."""


def personal_fields(subject: str, text: str) -> dict[str, str] | None:
    """The merge fields of one mail, from its text part; unused ones are empty. None when it does not fit."""
    body = text.rpartition(_FOOTER)[0] or text
    clean = neutralise(body.translate(_NOT_IN_HTML)).strip()
    pieces = pieces_of(clean)
    title = neutralise(subject)
    if pieces is None or len(title.encode()) > MERGE_FIELD_BYTES:
        return None
    return {SUBJECT_FIELD: title} | dict(zip(TEXT_FIELDS, [*pieces, *[""] * (len(TEXT_FIELDS) - len(pieces))], strict=True))


def pieces_of(text: str) -> list[str] | None:
    """`text` over at most 8 fields: a paragraph each where that is enough, else several to a field. None when it does not fit."""
    paragraphs = [p.strip() for p in re.split(r"\n\s*\n", text) if p.strip()]
    small = [piece for paragraph in paragraphs for piece in _cut(paragraph)]
    if any(not _fits(piece) for piece in small):
        return None
    pieces = small if len(small) <= len(TEXT_FIELDS) else list(_packed(small, "\n\n"))
    return pieces if len(pieces) <= len(TEXT_FIELDS) else None


def _fits(text: str) -> bool:
    return len(text.encode()) <= MERGE_FIELD_BYTES


def _cut(paragraph: str) -> list[str]:
    """A paragraph in pieces that fit: by lines, and long lines by words."""
    if _fits(paragraph):
        return [paragraph]
    lines = [piece for line in paragraph.splitlines() for piece in ([line] if _fits(line) else _packed(line.split(), " "))]
    return list(_packed(lines, "\n"))


def _packed(parts: Sequence[str], glue: str) -> Iterator[str]:
    """As many parts as fit, set together again and again."""
    piece = ""
    for part in parts:
        longer = f"{piece}{glue}{part}" if piece else part
        if piece and not _fits(longer):
            yield piece
            piece = part
        else:
            piece = longer
    if piece:
        yield piece


def personal_campaign(renderer: Renderer, language: str) -> Rendered:
    """The mail of the campaign: the letters' layout in one language, with merge fields where the personal words stand."""
    places = "\n\n".join(_PLACE.format(field) for field in TEXT_FIELDS)
    mail = renderer.letter(MessageKind.WELCOME, Draft(SUBJECT_FIELD, places), language=language, view=View.CAMPAIGN)
    html, text = mail.html, mail.text
    for field in TEXT_FIELDS:
        place = _PLACE.format(field)
        words = f'<span style="white-space:pre-line">*|{field}|*</span>'
        html = re.sub(rf"(<p[^>]*>){place}</p>", rf"*|IF:{field}|*\g<1>{words}</p>*|END:IF|*", html)
        text = text.replace(f"{place}\n\n", f"*|IF:{field}|**|{field}|*\n\n*|END:IF|*").replace(place, f"*|{field}|*")
    return replace(mail, subject=f"*|{SUBJECT_FIELD}|*", html=html, text=text)

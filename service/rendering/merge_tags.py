"""What a Mailchimp campaign looks like to one member: merge tags filled in as Mailchimp would, for previews and the archive."""

import re
from collections.abc import Mapping
from dataclasses import replace

from markupsafe import escape

from service.rendering.values import Rendered

_BLOCK = re.compile(r"\*\|IF:([A-Z0-9_]+)\|\*((?:(?!\*\|IF:).)*?)(?:\*\|ELSE:\|\*((?:(?!\*\|IF:).)*?))?\*\|END:IF\|\*", re.DOTALL)
_TAG = re.compile(r"\*\|([A-Z0-9_:]+)\|\*")


def as_member(mail: Rendered, fields: Mapping[str, str]) -> Rendered:
    """`mail` with every merge tag filled from `fields` (by tag name, `FNAME`, `PREFS`, `UNSUB`, `LIST:ADDRESS`, ...); a tag that
    isn't given becomes empty, as it does at Mailchimp. An empty mapping gives what a stranger may see.
    """
    return replace(mail, subject=_filled(mail.subject, fields), html=_filled_html(mail.html, fields), text=_filled(mail.text, fields))


def _filled(text: str, fields: Mapping[str, str]) -> str:
    while True:
        text, count = _BLOCK.subn(lambda found: (found[2] if fields.get(found[1]) else found[3]) or "", text)
        if not count:
            return _TAG.sub(lambda found: fields.get(found[1], ""), text)


def _filled_html(html: str, fields: Mapping[str, str]) -> str:
    return _filled(html, {name: str(escape(value)) for name, value in fields.items()})

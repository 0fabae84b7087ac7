"""Makes what people wrote harmless: no merge tags, no live Markdown, no odd links, no line breaks where one line is meant."""

import re
import unicodedata
from urllib.parse import urlsplit

from markupsafe import Markup

from service.languages import ENGLISH, said
from service.rendering.values import RenderingError

GAP = "\u200b"  # zero width: the reader still sees the very characters that were written
ELLIPSIS = "…"
LEFT_OUT = said("(link)")
"""What stands where a web address stood."""
SCHEMES = frozenset({"http", "https", "mailto"})
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u2028\u2029\ufeff]")
_SPACE = re.compile(r"\s+")
_MARKDOWN_ANYWHERE = re.compile(r"([\\`*_\[\]<]|&(?=#?\w+;))")
_MARKDOWN_AT_START = re.compile(r"^(\s*)([#+\-=>~]|\d+(?=[.)]))")
_ADDRESS = re.compile(r"(?:\b[a-z][a-z0-9+.-]*://|\bwww\.)\S+", re.IGNORECASE)
_PLAIN_ADDRESS = re.compile(r"https?://[A-Za-z0-9._:-]+(?:[/?#][!#-&(-;=?-Z_a-z~]*)?")
_URL_UNSAFE = re.compile(r"[\s\"'<>\\^`{|}\x00-\x1f\x7f]")


class MergeTag(str):
    """A Mailchimp merge tag that we put there ourselves: the one kind of string `neutralise` is not used on."""

    __slots__ = ()


UNSUBSCRIBE_TAG = MergeTag("*|UNSUB|*")
ARCHIVE_TAG = MergeTag("*|ARCHIVE|*")
PREFERENCES_TAG = MergeTag("*|PREFS|*")
SUBJECT_TAG = MergeTag("*|MC:SUBJECT|*")
"""The subject that a reader's mail has."""


def neutralise(text: str) -> str:
    """`text` that Mailchimp can't take for a merge tag, looking the same to a reader."""
    if "*|" not in text and "|*" not in text:
        return text
    return text.replace("*|", f"*{GAP}|").replace("|*", f"|{GAP}*")


def plain_value(value: object) -> object:
    """What every printed value passes in HTML and text: no control characters, no merge tag. Raises RenderingError for None."""
    if type(value) is str and "|" not in value and value.isprintable():
        return value  # nearly every value: kept quick
    if value is None:
        raise RenderingError("A template printed a value that is not there (None).")
    if not isinstance(value, str) or isinstance(value, MergeTag):
        return value
    clean = neutralise(_CONTROL.sub("", value))
    return Markup(clean) if isinstance(value, Markup) else clean  # noqa: S704 - it was markup before, and has only lost characters


def markdown_value(value: object) -> object:
    """As `plain_value`, for values printed into Markdown."""
    safe = plain_value(value)
    return markdown_escape(safe) if isinstance(safe, str) and not isinstance(safe, Markup) else safe


def one_line(text: str) -> str:
    """`text` on one line, single spaces, without control characters: fit for a subject or a header."""
    if text.isprintable() and "  " not in text:
        return text.strip()
    return _SPACE.sub(" ", _CONTROL.sub("", text)).strip()


def markdown_escape(text: str) -> str:
    """`text` as one line of Markdown that reads as exactly these characters; escapes as little as that needs."""
    line = _MARKDOWN_ANYWHERE.sub(r"\\\1", _SPACE.sub(" ", text))
    if found := _MARKDOWN_AT_START.match(line):
        start, sign = found.groups()
        rest = line[found.end() :]
        return f"{start}{sign}\\{rest}" if sign.isdigit() else f"{start}\\{sign}{rest}"
    return line


def with_breaks(text: str) -> Markup:
    """`text` as HTML that keeps its line breaks, in mail programs that ignore `white-space` too."""
    return Markup("<br>").join(text.strip().splitlines())


def quote_reason(reason: str, limit: int = 160, *, language: str = ENGLISH) -> str:
    """A member's words for quoting back: one line of at most `limit` characters, cut on a word. Web addresses are left
    out, so that nobody can use our welcome to send a stranger a link.
    """
    words = one_line(_ADDRESS.sub(LEFT_OUT.in_language(language), unicodedata.normalize("NFC", reason)))
    if len(words) <= limit:
        return words
    kept = words[: limit - 1]
    if not words[limit - 1].isspace() and " " in kept:
        kept = kept.rsplit(" ", 1)[0]
    return kept.rstrip(" ,;:.-–") + ELLIPSIS


def link_or_empty(address: object) -> str:
    """`address` safe to stand in an href (http, https or mailto, nothing that ends an attribute), or "" when it isn't one."""
    if isinstance(address, MergeTag):
        return address
    if address is None:
        return ""
    if not isinstance(address, str):
        address = str(address)  # raises for a value the template was not given
    if _PLAIN_ADDRESS.fullmatch(address):
        return address  # nearly every address: kept quick
    bare = address.strip()
    try:
        parts = urlsplit(bare)
    except ValueError:
        return ""
    if parts.scheme.lower() not in SCHEMES or (parts.scheme.lower() != "mailto" and not parts.netloc):
        return ""
    return _URL_UNSAFE.sub(lambda found: "".join(f"%{byte:02X}" for byte in found.group().encode()), bare)


def link(address: object) -> str:
    """As `link_or_empty`, for links a mail makes no sense without. Raises RenderingError."""
    if not (safe := link_or_empty(address)):
        raise RenderingError("A link in the mail is not a web address.")
    return safe


def markdown_link(address: object) -> Markup:
    """A link's address for use inside `[title](...)`."""
    return Markup(link(address).replace("(", "%28").replace(")", "%29"))  # noqa: S704 - not HTML: it keeps Markdown from escaping it


def field_name(name: object) -> MergeTag:
    """The name of a Mailchimp merge field. Raises RenderingError for anything else."""
    if not isinstance(name, str) or not re.fullmatch(r"[A-Z][A-Z0-9_]{0,9}", name):
        raise RenderingError("An interest must be the name of a Mailchimp merge field.")
    return MergeTag(name)

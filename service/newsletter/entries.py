"""What a feed says, as plain entries: RSS 0.9 to 2.0 and Atom through feedparser, JSON Feed by itself. No network, no session."""

import hashlib
import html
import io
import json
import re
from calendar import timegm
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin

import nh3

from service.newsletter.hints import is_web_address

MAX_ENTRIES = 100
TITLE_LENGTH = 200
SUMMARY_LENGTH = 600
TOPIC_LENGTH = 60
MAX_TOPICS = 20
NO_FEED = "This is not a feed. Look on the site for a link named RSS, Atom or feed."
_BLOCK_END = re.compile(r"</(?:p|div|li|h[1-6]|tr|blockquote|td)\s*>|<br\s*/?>", re.IGNORECASE)
_SPACE = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_HIDDEN = {"script", "style", "template", "iframe", "svg", "math", "noscript", "object"}


class NotAFeed(Exception):
    """The content can't be read as a feed; `detail` is a sentence with the mend."""

    def __init__(self, detail: str = NO_FEED) -> None:
        super().__init__(detail)
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry, cleaned: plain text, a followable address or "", an aware time or None. `identity` is what the feed knows it by."""

    identity: str
    title: str
    url: str
    summary: str
    published_at: datetime | None
    topics: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ParsedFeed:
    """A feed's title and its entries as they stand in it."""

    title: str
    entries: tuple[Entry, ...]


def plain_text(markup: str, limit: int) -> str:
    """HTML from outside as one line of plain text of at most `limit` characters, cut on a word. Scripts, styles and hidden parts go
    with their content; what is left is text, never markup.
    """
    whole = markup.encode("utf-8", "ignore").decode()  # JSON may hold half characters, which nothing after this can store
    spaced = _BLOCK_END.sub(lambda found: found.group() + " ", whole)
    text = _SPACE.sub(" ", html.unescape(nh3.clean(spaced, tags=set(), clean_content_tags=_HIDDEN))).strip()
    if len(text) <= limit:
        return text
    kept = text[: limit - 1]
    if not text[limit - 1].isspace() and " " in kept:
        kept = kept.rsplit(" ", 1)[0]
    return kept.rstrip(" ,;:.-–") + "…"


def entry_key(feed_id: object, identity: str) -> str:
    """The digest by which an entry of a feed is known again."""
    return hashlib.sha256(f"{feed_id}\n{identity}".encode("utf-8", "replace")).hexdigest()


def parse_feed(body: bytes, *, url: str, content_type: str = "") -> ParsedFeed:
    """The feed in `body`, fetched from `url`; at most 100 entries. Raises NotAFeed."""
    if body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{":
        return _json_feed(body, url)
    return _xml_feed(body, url, content_type)


def _xml_feed(body: bytes, url: str, content_type: str) -> ParsedFeed:
    import feedparser  # noqa: PLC0415  # takes long to load and is seldom needed

    # a stream, never the bytes themselves: feedparser would try to open those as a file name
    headers = {"content-location": url, **({"content-type": content_type} if content_type else {})}
    parsed = feedparser.parse(io.BytesIO(body), response_headers=headers, sanitize_html=False, resolve_relative_uris=False)
    if not parsed.get("version") and not parsed.entries:
        raise NotAFeed
    found = [_xml_entry(raw, url) for raw in parsed.entries[:MAX_ENTRIES]]
    return ParsedFeed(plain_text(parsed.feed.get("title", ""), TITLE_LENGTH), tuple(e for e in found if e))


def _xml_entry(raw: Mapping[str, Any], base: str) -> Entry | None:
    content = raw.get("content") or [{}]
    when = raw.get("published_parsed") or raw.get("updated_parsed")
    return _entry(
        identity=str(raw.get("id") or ""),
        title=str(raw.get("title") or ""),
        url=urljoin(base, str(raw.get("link") or "")) if raw.get("link") else "",
        summary=str(raw.get("summary") or content[0].get("value") or ""),
        published_at=_instant(when),
        topics=[tag.get("term") for tag in raw.get("tags") or ()],
    )


def _instant(parsed: Any) -> datetime | None:
    try:
        return datetime.fromtimestamp(timegm(parsed), UTC) if parsed else None
    except (ValueError, OverflowError, OSError):
        return None


def _json_feed(body: bytes, url: str) -> ParsedFeed:
    try:
        data = json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise NotAFeed from error
    if not isinstance(data, dict) or not str(data.get("version", "")).startswith("https://jsonfeed.org/version/"):
        raise NotAFeed
    items = data.get("items")
    found = [_json_entry(raw, url) for raw in (items if isinstance(items, list) else [])[:MAX_ENTRIES] if isinstance(raw, dict)]
    return ParsedFeed(plain_text(str(data.get("title") or ""), TITLE_LENGTH), tuple(e for e in found if e))


def _json_entry(raw: Mapping[str, Any], base: str) -> Entry | None:
    link = raw.get("url") or raw.get("external_url")
    when = raw.get("date_published") or raw.get("date_modified")
    text = raw.get("summary") or raw.get("content_text")
    return _entry(
        identity=str(raw.get("id") or ""),
        title=str(raw.get("title") or ""),
        url=urljoin(base, str(link)) if link else "",
        summary=html.escape(str(text)) if text else str(raw.get("content_html") or ""),
        published_at=_rfc3339(when),
        topics=tags if isinstance(tags := raw.get("tags"), list) else [],
    )


def _rfc3339(text: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(text)) if text else None
    except ValueError:
        return None
    return found.astimezone(UTC) if found and found.tzinfo else None


def _topics(given: Iterable[object]) -> tuple[str, ...]:
    """A feed's categories as topics: short plain text, each once whatever the letter case."""
    found: dict[str, str] = {}
    for one in given:
        topic = plain_text(one, TOPIC_LENGTH + 1) if isinstance(one, str) else ""
        if topic and len(topic) <= TOPIC_LENGTH:
            found.setdefault(topic.casefold(), topic)
    return tuple(found.values())[:MAX_TOPICS]


def _entry(*, identity: str, title: str, url: str, summary: str, published_at: datetime | None, topics: Iterable[object]) -> Entry | None:
    """An entry that can be shown: it has a title (else the beginning of its text) and something to know it by; else None."""
    address = url if is_web_address(url) and len(url) <= 2000 else ""
    words = plain_text(summary, SUMMARY_LENGTH)
    name = plain_text(title, TITLE_LENGTH) or plain_text(html.escape(words), 80)
    known_by = identity or address or name
    return Entry(known_by, name, address, words, published_at, _topics(topics)) if name else None

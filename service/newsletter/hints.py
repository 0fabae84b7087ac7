"""Hints about an edition's words, size and links. Pure: no session, no clock, no I/O."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

SUBJECT_SHORT, SUBJECT_LONG, SUBJECT_MAX = 12, 60, 150
PREVIEW_SHORT, PREVIEW_LONG = 35, 110
SIZE_WARNING_BYTES = 80 * 1024
SIZE_LIMIT_BYTES = 102 * 1024
"""Gmail cuts a mail at about this size, and the unsubscribe link with it."""

SPAM_WORDS = (
    "100% free", "act now", "buy now", "cash", "click here", "congratulations", "earn money", "free!", "guarantee", "last chance",
    "limited time", "no obligation", "order now", "prize", "risk free", "special offer", "urgent", "winner", "!!!", "£££", "$$$",
)  # fmt: skip
"""Words that filters and readers take for advertising; kept short on purpose: a filter weighs far more than words."""

KNOWN_MERGE_TAGS = frozenset(
    {
        "FNAME", "LNAME", "EMAIL", "UNSUB", "UPDATE_PROFILE", "ARCHIVE", "PREFS", "MC_PREVIEW_TEXT", "LIST:ADDRESS",
        "HTML:LIST_ADDRESS_HTML", "LIST:COMPANY", "LIST:DESCRIPTION", "END:IF", "ELSE:",
    }
)  # fmt: skip
_TAG = re.compile(r"\*\|([^|*\s]{1,60})\|\*")
_WORD = re.compile(r"[^\W\d_]{2,}")


class Level(StrEnum):
    """How much a finding matters: an error stops the edition, a warning does not."""

    ERROR = "error"
    WARNING = "warning"
    OK = "ok"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the checklist: `check` is a stable word, `detail` a sentence with the mend."""

    check: str
    level: Level
    detail: str


def subject_hints(subject: str, *, past_subjects: Sequence[str] = ()) -> list[Finding]:
    """What a careful colleague would say about the subject line; empty when nothing."""
    words = subject.strip()
    if not words:
        return [Finding("subject", Level.ERROR, "There is no subject. Write one that names the lead.")]
    found = []
    if len(words) > SUBJECT_LONG:
        found.append(f"The subject has {len(words)} characters; phones cut it after about {SUBJECT_LONG}: put the point first.")
    if len(words) < SUBJECT_SHORT:
        found.append("The subject says very little; name the lead.")
    letters = _WORD.findall(words)
    if len(letters) > 1 and all(w.isupper() for w in letters):
        found.append("The subject is all in capitals; that reads as shouting.")
    if words.casefold() in {past.strip().casefold() for past in past_subjects}:
        found.append("An earlier edition had the same subject; readers will take it for the old one.")
    found += _spam_hints("subject", words)
    return [Finding("subject", Level.WARNING, detail) for detail in found]


def second_subject_hints(subject_b: str, *, subject: str) -> list[Finding]:
    """The same for the second subject of a trial; empty when there is none."""
    words = subject_b.strip()
    if not words:
        return []
    found = [Finding("subject_b", Level.WARNING, f.detail.replace("The subject", "The second subject")) for f in subject_hints(words)]
    if words.casefold() == subject.strip().casefold():
        found.append(Finding("subject_b", Level.WARNING, "Both subjects are the same; there is nothing to try."))
    return found


def preview_hints(preview: str, *, subject: str) -> list[Finding]:
    """The same for the preview text, the grey line that inboxes show after the subject."""
    words = preview.strip()
    if not words:
        return [Finding("preview_text", Level.WARNING, "There is no preview text; inboxes will show the first words of the mail instead.")]
    found = []
    if len(words) > PREVIEW_LONG:
        found.append(f"The preview text has {len(words)} characters; inboxes show about {PREVIEW_LONG}.")
    if len(words) < PREVIEW_SHORT:
        found.append("The preview text is short; inboxes fill the line with the mail's first words.")
    if words.casefold() == subject.strip().casefold():
        found.append("The preview text repeats the subject; use it to say something more.")
    found += _spam_hints("preview text", words)
    return [Finding("preview_text", Level.WARNING, detail) for detail in found]


def _spam_hints(name: str, words: str) -> list[str]:
    folded = words.casefold()
    hits = [word for word in SPAM_WORDS if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", folded)]
    return [f"The {name} holds words that read as advertising: {', '.join(hits)}."] if hits else []


def size_finding(html: str) -> Finding:
    """How heavy the mail is; the size is of the HTML in UTF-8, as it travels."""
    size = len(html.encode())
    shown = f"The mail has {size / 1024:.0f} KB"
    if size >= SIZE_LIMIT_BYTES:
        return Finding("size", Level.ERROR, f"{shown}; Gmail cuts it at 102 KB, and the unsubscribe link with it. Shorten summaries.")
    if size >= SIZE_WARNING_BYTES:
        return Finding("size", Level.WARNING, f"{shown}; Gmail cuts at 102 KB. Shorten summaries to be safe.")
    return Finding("size", Level.OK, f"{shown}.")


def is_web_address(url: str) -> bool:
    """Could a reader follow this? http or https, a host with a dot or a port, no spaces, no name and password."""
    if any(c.isspace() or ord(c) < 32 for c in url):
        return False
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    host = parts.hostname or ""
    return parts.scheme in {"http", "https"} and ("." in host or port is not None) and not parts.username and not parts.password


def link_findings(links: Iterable[str]) -> list[Finding]:
    """One finding per link that no reader could follow, by its place; all well is one line."""
    bad = [link for link in links if not link.startswith("mailto:") and not is_web_address(link)]
    if not bad:
        return [Finding("links", Level.OK, "Every link has the form of a web address.")]
    return [Finding("links", Level.ERROR, f"This is not a web address: {link[:100]}") for link in bad]


def unknown_merge_tags(content: str, *, own: frozenset[str] = frozenset()) -> list[str]:
    """Merge tags in `content` that Mailchimp would leave empty or print as they are; sorted, each once."""
    found = {tag.removeprefix("IF:").removeprefix("IFNOT:") for tag in _TAG.findall(content)}
    return sorted(tag for tag in found if tag not in KNOWN_MERGE_TAGS and tag not in own)

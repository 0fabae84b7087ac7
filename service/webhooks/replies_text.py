"""What a person wrote in a reply, without quoted history, banners, disclaimers, closings and signatures.

Careful by choice: what might be the person's own words stays. The full text is always kept elsewhere. Pure;
must never import a database, a framework or settings.
"""

import re

from service.webhooks.quoted_text import without_history
from service.webhooks.signatures import names_of, without_signatures

# What mail systems put above a mail from outside.
_BANNER = re.compile(
    r"^\W*(CAUTION|WARNING|ATTENTION|EXTERNAL( E-?MAIL)?( WARNING)?)\b.{0,80}\b(external|outside|originated)|^\W*\[?EXTERNAL"
    r"( E-?MAIL| SENDER)?\]?\W*$|^\W*This (message|e-?mail) (originated|was sent|came) from outside",
    re.IGNORECASE,
)
_DISCLAIMER = re.compile(
    r"^\W*(This (e-?mail|message|communication)( \(?(and|including) any .{0,40})? (is|are|may contain|contains?|may be)\b"
    r"|The (information|contents?) (contained )?(in|of) this (e-?mail|message)\b"
    r"|If you (are not the intended|(have )?received this (e-?mail|message|communication))"
    r"|(CONFIDENTIALITY|LEGAL|PRIVACY) (NOTICE|DISCLAIMER)|DISCLAIMER:"
    r"|Mae'r (e-bost|neges) hwn\b|Diese E-Mail enthält vertrauliche|Ce (message|courriel)\b)",
    re.IGNORECASE,
)
# People write about messages, too; small print also says what a reader by mistake must not do.
_SMALL_PRINT = re.compile(
    r"\b(recipient|addressee|individual to whom|disclos\w+|in error|unlawful|prohibited|privileged|intended (only|solely|for)"
    r"|solely for|notify the sender|cyfrinachol|vertrauliche|confidentiel(le)?s?|destinataires?)\b",
    re.IGNORECASE,
)
_FOOTER = re.compile(
    r"^\W*((Please )?(consider|think of|think about) the environment before (you )?print|Think before you print"
    r"|NHSmail is the secure email|For more information and to find out how you can switch)",
    re.IGNORECASE,
)
_DISCLAIMER_GOES_ON = re.compile(r"^\W*(i{1,3}\)|\(?[abc]\)|Thank you for your co-?operation|Joining NHSmail)", re.IGNORECASE)
_RULE_LINE = re.compile(r"^[*_=\-–—]{8,}$")
_INVISIBLE = re.compile("[\u200b\u200c\u200d\u2060\ufeff\u00ad]")


def visible_reply(text: str, *, from_name: str = "") -> str:
    """The person's own words, lines as written, at most one empty line in a row; "" when there are none.

    Handles answers above, below and between the quotes. `from_name` (the name in the From header) helps to tell
    a name line at the end from a last word. When nothing but thanks and a name is left, those are the words.
    """
    lines = [_INVISIBLE.sub("", line).replace("\xa0", " ").rstrip() for line in text.splitlines()]
    own = _without_disclaimers(_without_banner(without_history(lines)))
    kept = without_signatures(own, names_of(from_name))
    return _tidied(kept)


def _without_banner(lines: list[str]) -> list[str]:
    """Without the first paragraph where it is a warning of the mail system."""
    start = next((place for place, line in enumerate(lines) if line.strip()), len(lines))
    end = next((place for place in range(start, len(lines)) if not lines[place].strip()), len(lines))
    return lines[end:] if _BANNER.search(" ".join(lines[start:end])) else lines


def _without_disclaimers(lines: list[str]) -> list[str]:
    """Without paragraphs that are legal small print, and the rows of stars above them."""
    kept: list[str] = []
    inside = False
    for paragraph in _paragraphs(lines):
        words = " ".join(line.strip() for line in paragraph if not _RULE_LINE.match(line.strip()))
        if _is_small_print(words) or (inside and (not words or _DISCLAIMER_GOES_ON.match(words))):
            inside = True
            while kept and (not kept[-1].strip() or _RULE_LINE.match(kept[-1].strip())):
                kept.pop()
            continue
        inside = inside and not words
        kept += [*paragraph, ""]
    return kept


def _is_small_print(words: str) -> bool:
    return bool(_FOOTER.match(words) or (_DISCLAIMER.match(words) and _SMALL_PRINT.search(words)))


def _paragraphs(lines: list[str]) -> list[list[str]]:
    paragraphs: list[list[str]] = [[]]
    for line in lines:
        if line.strip():
            paragraphs[-1].append(line)
        elif paragraphs[-1]:
            paragraphs.append([])
    return [paragraph for paragraph in paragraphs if paragraph]


def _tidied(lines: list[str]) -> str:
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in lines)).strip()

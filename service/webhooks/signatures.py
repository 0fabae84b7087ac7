"""Closings, signatures and the small advertisements of phones at the end of what somebody wrote.

Pure; must never import a database, a framework or settings.
"""

import re

_PHONE_LINE = re.compile(
    r"^\W*(Sent (from|via|with|by|using) (my )?(iPhone|iPad|Galaxy|Samsung|Android|Huawei|Pixel|Xiaomi|OnePlus|Motorola|Nokia"
    r"|Blackberry|phone|mobile|tablet|smartphone|Windows|Outlook|Mail\b|Yahoo|AOL|Gmail|Proton|BlueMail|Spark|EE\b|Vodafone)"
    r"|Get (Outlook|BlueMail|TypeApp|Yahoo)|Von meinem \S+ gesendet|Gesendet (von|mit) |Envoyé (de|depuis) mon |Enviado desde mi"
    r"|Inviato da(l mio)? |Verstuurd vanaf mijn|Sendt fra min|Skickat från min|Enviado do meu|Odesláno z "
    r"|Lähetetty |Wysłane z |Anfonwyd o fy).{0,80}$",
    re.IGNORECASE,
)
_THANKS = r"(many |with |best |kind )*thanks( again| so much| in advance| and (best|kind) (wishes|regards))?|thank you|cheers|ta|diolch"
_CLOSING = (
    r"((with |my |our |very |all |many )*(kind(est)?|best|warm(est)?) (regards|wishes)|(with )?regards|kr|bw|rgds|best|all the best"
    r"|(with )?(warm(est)?|kind(est)?)|yours( sincerely| faithfully| truly)?|sincerely|take care|speak soon|with best wishes"
    r"|mit freundlichen grüßen|(viele|liebe|beste|herzliche) grüße|mfg|cordialement|bien cordialement|(un )?saludos?( cordial(es)?)?"
    r"|cofion( (cynnes|gorau))?|cordiali saluti|met vriendelijke groet|pozdrawiam|med venlig hilsen|xx?)"
)
_CLOSING_LINE = re.compile(rf"^\W*(?P<words>{_CLOSING}|{_THANKS})[\s,.!;–—-]*$", re.IGNORECASE)
_THANKS_LINE = re.compile(rf"^\W*({_THANKS})[\s,.!–—-]*$", re.IGNORECASE)

_CONTACT = re.compile(
    r"\b(tel|telephone|mob|mobile|phone|ext|extension|bleep|fax|e-?mail|web|website|pronouns?|linkedin|twitter|teams)\b\s*[:.]?"
    r"|\bwww\.|https?://|\S+@\S+\.\S+|^\W*[TMEWFA]\s?[:.]\s|\+?\d[\d\s()]{8,}\d|\b(she/her|he/him|they/them)\b"
    r"|\b(my )?(working|office) (days|hours)\b|^follow us\b|\b[A-Z]{1,2}\d{1,2}[A-Z]? \d[A-Z]{2}\b|\[cid:|\[image",
    re.IGNORECASE,
)
_SMALL_WORD = re.compile(r"of|for|and|the|in|at|to|on|de|la|van|von|der|und|y|e", re.IGNORECASE)
# Capitalised like names, but said: a line with one of these is no signature.
_NO_NAME = re.compile(
    r"yes|no|ok|okay|sure|agreed|maybe|thanks|none|both|done|today|tomorrow|ps|hi|hello|dear|i"
    r"|mon(day)?|tue(sday)?|wed(nesday)?|thu(rsday)?|fri(day)?|sat(urday)?|sun(day)?"
    r"|january|february|march|april|may|june|july|august|september|october|november|december",
    re.IGNORECASE,
)
_LONGEST = 14


def names_of(from_name: str) -> frozenset[str]:
    """The words of a name as a From header has it, in small letters, what is in brackets left out."""
    return frozenset(word for word in re.findall(r"[^\W\d_]+", re.sub(r"\(.*?\)", " ", from_name).lower()) if len(word) > 1)


def without_signatures(lines: list[str], names: frozenset[str]) -> list[str]:
    """Without closings, names, contact lines and what phones add.

    A signature only goes as far as its lines look like one, so a postscript after it stays. When nothing else
    would be left, a word of thanks stays with the name below it.
    """
    lines = _without_phone_lines(lines)
    kept: list[str] = []
    place = 0
    while place < len(lines):
        said = any(line.strip() for line in kept)
        after = _after_dashes(lines, place) or _after_closing(lines, place, names, said) or _after_name(lines, place, names)
        if after:
            kept.append("")
            place = after
        else:
            kept.append(lines[place])
            place += 1
    if any(line.strip() for line in kept):
        return kept
    return _thanks_alone(lines)


def _without_phone_lines(lines: list[str]) -> list[str]:
    return ["" if _PHONE_LINE.match(line) and _is_apart(lines, place) else line for place, line in enumerate(lines)]


def _is_apart(lines: list[str], place: int) -> bool:
    """Whether a line has an empty line, or nothing, above it."""
    return place == 0 or not lines[place - 1].strip()


def _after_dashes(lines: list[str], place: int) -> int:
    """The end of a signature that starts with the agreed `-- ` line, 0 without one."""
    if lines[place].strip() not in ("--", "—"):
        return 0
    rest = [line for line in lines[place + 1 :] if line.strip()]
    return len(lines) if len(rest) <= _LONGEST and not any(_is_postscript(line) for line in rest) else 0


def _after_closing(lines: list[str], place: int, names: frozenset[str], said: bool) -> int:
    """The end of a signature that starts with a closing such as "Kind regards", 0 when there is none here.

    `said` tells whether anything stands above: a closing that opens the mail, and thanks anywhere, only count with
    the sender's name below.
    """
    closing, signed_beside = _split_name(lines[place], names)
    if not _CLOSING_LINE.match(closing):
        return 0
    after = _after_signature_lines(lines, place + 1)
    signed = [line for line in [signed_beside, *lines[place + 1 : after]] if line.strip()]
    if not signed:
        return after if after == len(lines) and said else 0
    needs_name = not said or (names and _THANKS_LINE.match(lines[place]))
    if needs_name and not any(names & names_of(line) for line in signed[:2]):
        return 0
    return after


def _split_name(line: str, names: frozenset[str]) -> tuple[str, str]:
    """Split `Many thanks, Asha` into closing and name; without the sender's name at the end the line and nothing."""
    closing, _, name = line.rstrip(" .!").rpartition(",")
    words = names_of(name)
    return (closing, name) if closing and words and words <= names else (line, "")


def _after_name(lines: list[str], place: int, names: frozenset[str]) -> int:
    """The end of a signature that starts with the sender's name alone on a line, if it ends the mail; 0 if not."""
    words = names_of(lines[place])
    if not words or not words <= names or len(lines[place]) > 60 or re.search(r"\d|[?!]", lines[place]):
        return 0
    after = _after_signature_lines(lines, place + 1)
    return after if after == len(lines) and place > 0 else 0


def _after_signature_lines(lines: list[str], place: int) -> int:
    """The place of the first line from here on that doesn't look like part of a signature."""
    last = place
    count = 0
    while place < len(lines) and count < _LONGEST:
        line = lines[place].strip()
        if line and not _is_signature_line(line):
            return last
        count += bool(line)
        place += 1
        last = place
    return last


def _is_signature_line(line: str) -> bool:
    """A name, a title, a place or a way to reach somebody; not a sentence, a list item or a postscript."""
    if len(line) > 110 or _is_postscript(line) or line.endswith("?") or re.match(r"^[-*•]\s", line):
        return False
    if _CONTACT.search(line) or _CLOSING_LINE.match(line):
        return len(line.split()) <= 14
    words = [word for part in re.findall(r"[^\s,|/]+", line) if (word := part.strip(".!:;()&-–•"))]
    if len(words) > 10 or any(_NO_NAME.fullmatch(word) for word in words):
        return False
    return all(not word[0].islower() or _SMALL_WORD.fullmatch(word) for word in words)


def _is_postscript(line: str) -> bool:
    return re.match(r"^\W*P\.? ?S\b", line, re.IGNORECASE) is not None


def _thanks_alone(lines: list[str]) -> list[str]:
    """A mail that only says thanks: that word and the lines right below it."""
    start = next((place for place, line in enumerate(lines) if line.strip()), len(lines))
    if start == len(lines) or not _THANKS_LINE.match(lines[start]):
        return []
    end = next((place for place in range(start, len(lines)) if not lines[place].strip()), len(lines))
    return lines[start:end]

"""Finding the earlier mail inside a reply: `> ` lines, "On ... wrote:", From/Sent blocks, forwarded mails.

Pure; must never import a database, a framework or settings.
"""

import re

_QUOTE = re.compile(r"^\s{0,3}>")
# A line can only begin "On ... wrote:" with one of these, or with a short weekday and the date itself.
_ATTRIBUTION_START = re.compile(
    r"^\s*(On|Le|Am|El|Il|Op|Em|Den|Dne|W dniu|Ar|Dnia)\s+\S.*\d|^\s*\S{2,5}[.,]{1,2}\s+\d{1,2}\b|^\s*\d{1,4}[./-]\d{1,2}[./-]\d{1,4}\b"
)
_ATTRIBUTION_END = re.compile(
    r"\b(wrote|a écrit|escribió|ha scritto|escreveu|napisał\(?a?\)?|ysgrifennodd|napsala?)\s*:\s*$"
    r"|\b(schrieb|schreef|skrev|kirjoitti)\b.{0,160}:\s*$",
    re.IGNORECASE,
)
# Somebody's words about another ("On Monday our matron wrote:") have neither an address nor a time of day.
_ATTRIBUTION_PROOF = re.compile(r"\S@\S|\b\d{1,2}[:.h]\d{2}\b")
_ORIGINAL = re.compile(
    r"^\W*-{2,}\s*(Original (Message|Appointment|message)|Forwarded [Mm]essage|Ursprüngliche Nachricht|Message d'origine"
    r"|Mensaje original|Weitergeleitete Nachricht|Message transféré)\s*-{2,}\s*$|^Begin forwarded message:\s*$",
    re.IGNORECASE,
)
_LABELS = {
    "from": r"From|Von|De|Da|Van|Od|Fra|Från|Oddi wrth",
    "sent": r"Sent|Date|Gesendet|Datum|Envoyé|Enviado( el)?|Fecha|Inviato|Data|Verzonden|Wysłano|Sendt|Skickat|Anfonwyd",
    "to": r"To|An|À|A|Para|Aan|Do|Til|Till|At",
    "subject": r"Subject|Betreff|Objet|Asunto|Oggetto|Onderwerp|Temat|Emne|Ämne|Assunto|Pwnc",
}
_HEADER_LINE = {name: re.compile(rf"^\s*\*?({words})\s?:\*?(\s|$)", re.IGNORECASE) for name, words in _LABELS.items()}
_DIVIDER = re.compile(r"^\s*_{20,}\s*$")
# "See my answers in red below": the answers stand unmarked inside the old mail.
_ANSWERS_INSIDE = re.compile(
    r"\b(answer|answered|answers|comment|comments|commented|repl(y|ies|ied)|responses?|responded|thoughts|notes)\b.{0,40}"
    r"\b(below|in-?line|in (red|blue|green|purple|bold|capitals|yellow|colour|the text))\b|\bsee (below )?in "
    r"(red|blue|green|purple|bold|capitals)\b",
    re.IGNORECASE,
)


def without_history(lines: list[str]) -> list[str]:
    """The lines that belong to this mail and not to the ones before it; blank lines in place of quotes.

    Everything after an unmarked copy of the earlier mail starts is left out, except where the person says that
    the answers stand inside it: then nothing is left out.
    """
    own: list[str] = []
    place = 0
    while place < len(lines):
        line = lines[place]
        if _QUOTE.match(line):
            own.append("")
            place += 1
        elif after := _after_attribution(lines, place):
            if not _is_quoted_next(lines, after):
                return _cut(lines, own)
            own.append("")
            place = after
        elif _starts_old_mail(lines, place):
            return _cut(lines, own)
        else:
            own.append(line)
            place += 1
    return own


def _cut(lines: list[str], own: list[str]) -> list[str]:
    return lines if _ANSWERS_INSIDE.search(" ".join(own)) else own


def _after_attribution(lines: list[str], place: int) -> int:
    """The place after "On ... wrote:" when it starts here, over up to four lines; 0 when it doesn't."""
    if not _ATTRIBUTION_START.match(lines[place]):
        return 0
    joined = ""
    for last in range(place, min(place + 4, len(lines))):
        if not lines[last].strip():
            return 0
        joined = f"{joined} {lines[last].strip()}"
        if len(joined) > 400:
            return 0
        if _ATTRIBUTION_END.search(joined) and _ATTRIBUTION_PROOF.search(joined):
            # A story may say who wrote at what time; only an address or quotes below make sure.
            return last + 1 if "@" in joined or _is_quoted_next(lines, last + 1) else 0
    return 0


def _is_quoted_next(lines: list[str], place: int) -> bool:
    return next((bool(_QUOTE.match(line)) for line in lines[place:] if line.strip()), True)


def _starts_old_mail(lines: list[str], place: int) -> bool:
    """Whether an unmarked copy of an earlier mail starts here: a divider or a block of its headers."""
    line = lines[place]
    if _ORIGINAL.match(line):
        return True
    if _DIVIDER.match(line):
        following = next((later for later in range(place + 1, len(lines)) if lines[later].strip()), None)
        return following is not None and _is_header_block(lines, following)
    return _is_header_block(lines, place)


def _is_header_block(lines: list[str], place: int) -> bool:
    """From, then among the next lines Sent (or Date) and To or Subject: three of them, so that talk isn't taken."""
    if not _HEADER_LINE["from"].match(lines[place]):
        return False
    following = [line for line in lines[place + 1 : place + 12] if line.strip()][:6]
    seen = {name for name in ("sent", "to", "subject") for line in following if _HEADER_LINE[name].match(line)}
    return "sent" in seen and len(seen) >= 2

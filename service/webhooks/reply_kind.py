"""What kind of mail came in: a person's reply, or something a machine sent. Headers decide before words (RFC 3834).

Pure; must never import a database, a framework or settings.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum

from service.webhooks.inbound_mail import InboundMail
from service.webhooks.leaving import wants_to_leave
from service.webhooks.replies_text import visible_reply


class ReplyKind(StrEnum):
    """Only `REPLY` and `UNSUBSCRIBE_REQUEST` come from a person and count as such."""

    REPLY = "reply"
    AUTO_REPLY = "auto_reply"
    UNSUBSCRIBE_REQUEST = "unsubscribe_request"
    BOUNCE = "bounce"
    CALENDAR = "calendar"
    LOOP = "loop"


@dataclass(frozen=True, slots=True)
class KindFound:
    """The kind and the name of the rule that decided."""

    kind: ReplyKind
    rule: str


_MAX_HOPS = 30
_BOUNCE_SENDER = re.compile(r"^(mailer-daemon|postmaster|mail-daemon|maildaemon)@", re.IGNORECASE)
_BOUNCE_SUBJECT = re.compile(
    r"^\W*(undeliver(able|ed)|delivery (status notification|failure|has failed)|mail delivery (failed|failure|system)|returned mail"
    r"|failure notice|delivery notification|message (not delivered|undeliverable)|unzustellbar|non remis|no se puede entregar)",
    re.IGNORECASE,
)
_NO_ANSWERS = re.compile(r"^(no|do-?not|dont|not|never)[-_.]?repl(y|ies)\b", re.IGNORECASE)
# At the very start only: "Re: Automatic reply: ..." is a person who answers one.
_AUTO_SUBJECT = re.compile(
    r"^\W*(automatic reply|auto(-|matic)? ?(reply|response|responder|answer)|auto:|out of (the )?office\s*(:|$|-|–|\.|re\b|until\b)"
    r"|.{2,40} is out of (the )?office\b|automatische (antwort|antwoord)|automatisch antwoord|abwesenheits(notiz|nachricht|agent)"
    r"|abwesend:|réponse automatique|absence du bureau|respuesta autom[aá]tica|fuera de la oficina|risposta automatica|fuori sede"
    r"|resposta autom[aá]tica|autosvar|automatiskt? svar|automaattinen vastaus|odpowiedź automatyczna|automatická odpověď"
    r"|ymateb awtomatig|ateb awtomatig|allan o'r swyddfa|自動返信|自动回复|自动答复)",
    re.IGNORECASE,
)
_RECALL_SUBJECT = re.compile(r"^\W*(recall|message recall (success|failure)):", re.IGNORECASE)
_AWAY_WORDS = re.compile(
    r"\b(out of (the )?office|annual leave|away from|on leave|maternity leave|not in the office|no longer work)\b", re.IGNORECASE
)
_ANSWER_MARKS = re.compile(r"^((re|aw|antw|sv|odp|rv|ref|fwd?|wg|tr|enc|vs|ynt|ateb)(\[\d+\])?\s?:\s*)+", re.IGNORECASE)
_LEAVE_SUBJECT = re.compile(r"^\W*(unsubscribe( me)?|stop|opt[ -]?out|remove me|please (remove me|unsubscribe( me)?))\W*$", re.IGNORECASE)


def kind_of(mail: InboundMail, *, own_addresses: Collection[str] = ()) -> KindFound:
    """The kind of a received mail and the rule that said so; first match wins, and what is left is a reply.

    `own_addresses` are the addresses we send from. Source: RFC 3834 and 3464, Exchange's and Google's own headers.
    """
    own = {address.lower() for address in own_addresses}
    if mail.from_address.lower() in own:
        return KindFound(ReplyKind.LOOP, "from our own address")
    found = next((KindFound(kind, rule) for kind, rule, applies in _RULES if applies(mail)), None)
    if found:
        return found
    if _LEAVE_SUBJECT.match(mail.subject):
        return KindFound(ReplyKind.UNSUBSCRIBE_REQUEST, "subject asks to leave")
    if wants_to_leave(visible_reply(mail.text, from_name=mail.from_name)):
        return KindFound(ReplyKind.UNSUBSCRIBE_REQUEST, "words ask to leave")
    return KindFound(ReplyKind.REPLY, "nothing against it")


def bare_subject(subject: str) -> str:
    """A subject without the marks of answers and forwards, for comparing."""
    return _ANSWER_MARKS.sub("", " ".join(subject.split())).casefold()


def says_forged(mail: InboundMail) -> bool:
    """Did the server that took the mail in find that its From domain disowns it (RFC 8601, DMARC)? Only its own, topmost word counts."""
    return bool(re.search(r"\bdmarc\s*=\s*fail\b", mail.header("authentication-results"), re.IGNORECASE))


def _is_bounce_by_sender(mail: InboundMail) -> bool:
    return bool(_BOUNCE_SENDER.match(mail.from_address)) and (mail.return_path == "" or bool(_BOUNCE_SUBJECT.match(mail.subject)))


def _is_auto_submitted(mail: InboundMail) -> bool:
    value = re.match(r"[\w-]+", mail.header("auto-submitted").strip())
    return value is not None and value[0].lower() != "no"


def _has_auto_header(mail: InboundMail) -> bool:
    names = ("x-autoreply", "x-autorespond", "x-autoreply-from", "x-mail-autoreply", "x-vacation")
    return any(mail.header(name).strip().lower() not in ("", "no", "false") for name in names)


def _has_auto_precedence(mail: InboundMail) -> bool:
    return mail.header("precedence").strip().lower() in ("auto_reply", "auto-reply", "bulk", "junk")


def _is_list_post(mail: InboundMail) -> bool:
    from_list = bool(mail.header("list-id")) or mail.header("precedence").strip().lower() == "list"
    return from_list and not (mail.in_reply_to or mail.references)


def _is_suppressed_away_note(mail: InboundMail) -> bool:
    """Exchange asks others not to answer; people's mail can carry that too, so the words must agree."""
    asked = re.search(r"\b(all|oof|autoreply)\b", mail.header("x-auto-response-suppress"), re.IGNORECASE)
    return bool(asked and _AWAY_WORDS.search(f"{mail.subject}\n{mail.text[:2000]}"))


_RULES: tuple[tuple[ReplyKind, str, Callable[[InboundMail], bool]], ...] = (
    (ReplyKind.BOUNCE, "delivery report", lambda mail: mail.report_type == "delivery-status"),
    (ReplyKind.BOUNCE, "failed recipients header", lambda mail: bool(mail.header("x-failed-recipients"))),
    (ReplyKind.BOUNCE, "sent by a mail server", _is_bounce_by_sender),
    (ReplyKind.LOOP, "loop header", lambda mail: bool(mail.header("x-loop"))),
    (ReplyKind.LOOP, "too many hops", lambda mail: sum(name == "received" for name, _ in mail.headers) > _MAX_HOPS),
    (ReplyKind.CALENDAR, "calendar message", lambda mail: mail.calendar_method not in ("", "publish")),
    (ReplyKind.AUTO_REPLY, "read receipt", lambda mail: mail.report_type == "disposition-notification"),
    (ReplyKind.AUTO_REPLY, "complaint report", lambda mail: mail.report_type == "feedback-report"),
    (ReplyKind.AUTO_REPLY, "auto-submitted header", _is_auto_submitted),
    (ReplyKind.AUTO_REPLY, "auto-reply header", _has_auto_header),
    (ReplyKind.AUTO_REPLY, "precedence header", _has_auto_precedence),
    (ReplyKind.AUTO_REPLY, "mailing list", _is_list_post),
    (ReplyKind.AUTO_REPLY, "null return path", lambda mail: mail.return_path == ""),
    (ReplyKind.AUTO_REPLY, "sender takes no answers", lambda mail: bool(_NO_ANSWERS.match(mail.from_address))),
    (ReplyKind.AUTO_REPLY, "subject of an automatic reply", lambda mail: bool(_AUTO_SUBJECT.match(mail.subject))),
    (ReplyKind.AUTO_REPLY, "recall notice", lambda mail: bool(_RECALL_SUBJECT.match(mail.subject))),
    (ReplyKind.AUTO_REPLY, "asks for no answers and is away", _is_suppressed_away_note),
)

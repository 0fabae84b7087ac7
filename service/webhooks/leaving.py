"""Whether somebody asks, in their own words, to get no more mail. Pure; must never import a database or a framework."""

import re

# The whole message, or one of its first lines, is one of these.
_ALONE = re.compile(
    r"(please |pls |kindly |bitte )?"
    r"(unsubscribe|unsub|stop|stop it|remove|remove me|take me off|opt[ -]?out|cancel|leave|quit|end|delete me"
    r"|désabonner|désinscription|désinscrire|abmelden|abbestellen|austragen|darme de baja|baja|dad-?danysgrifio"
    r"|uitschrijven|avmeld|wypisz|disiscrivimi)"
    r"( me| please| pls| now| all| thanks| thank you)*",
    re.IGNORECASE,
)

_ME = r"(me|myself|us|(my|our) (name|address|e-?mail( address)?|details|account))"
# What a member can be on or get from us, as opposed to a rota, a waiting list or a list of speakers.
_OURS = (
    r"((the|this|these|those|that|your|our|any|all|every|future|further|more|of|e-?mail(ing)?|mail(ing)?|distribution|circulation"
    r"|contact|falls|network) )*"
    r"(e-?mail(ing)?s?|mail(ing)?s?|list|distribution|newsletters?|circulation|database|network|group|community|contacts|messages?"
    r"|updates?|subscription|records|system|it|all|this)\b(?! of )"
)
_END = r"(?=\s*([.!?,;:]|$|please\b|pls\b|thanks\b|thank you\b|now\b|asap\b|and\b|as\b|because\b|since\b|from (this|your|the|these|all)\b))"
_ASKS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\bunsubscribe( {_ME})?{_END}",
        rf"\b(remove|delete|strike|take) {_ME}( off)?(?=\s*([.!?,;]|$|please\b|pls\b|thanks\b|now\b))",
        rf"\b(remove|delete|strike|take|drop|get) {_ME},? (off|from|out of) {_OURS}",
        r"\b(stop|cease) (sending|e-?mailing|mailing|writing to|contacting|messaging) (me|us|these|this|your|any|all|more)\b",
        r"^((please|pls|can you|could you) )?stop ((the|these|this|all|your|those) )?(e-?mails?|mails?|messages|newsletters?)\b",
        rf"\b(i|we) (no longer|do not|don't) (want|wish|need|care) (to (receive|get|be sent|hear|be (on|part of|in)) )?{_OURS}",
        r"\b(i|we) (no longer|do not|don't) (want|wish) to (be (e-?mailed|contacted)|hear from you|receive (anything|any))\b",
        rf"\bopt {_ME} out\b|\b(like|want|wish|need) to opt out\b(?! of (the|this) (call|event|survey|meeting|audit))",
        r"^(please )?(no (more|further)) (e-?mails|mails|messages|newsletters?)\b(?! (from|about|to) )",
        r"\bcancel (my|our) (membership|subscription)\b",
        rf"\b(want|wish|like|need|prefer) to (leave|quit|withdraw from|be taken off|be removed from|come off) {_OURS}",
        r"\b(don't|do not) (e-?mail|mail|contact|write to|message) me( again| any ?more| ever again| any longer)?\s*([.!,;]|$)",
    )
)
# The sentence says the opposite, is about somebody else, or about what might have been.
_NOT_MEANT = re.compile(
    r"\b(don't|do not|never|wouldn't|would not|won't|will not|can't|cannot|didn't|did not)( \w+)? "
    r"(stop|unsubscribe|remove|delete|take me off|cancel|drop|strike)\b"
    r"|\b(was|were|nearly|almost|about|tempted|thought of|thinking of|thinking about|before|until|unless|rather than|instead of|why"
    r"|who|people|members|someone|anyone|everyone|colleagues?|he|she|they) (\w+ ){0,4}(unsubscrib\w*|opt\w* out|leave)\b"
    r"|\bif (you|they|we) (ever )?(stop|stopped|remove|removed|delete|deleted|cancel)\b"
    r"|\b(?!i\b|we\b|also\b|just\b|now\b|really\b)\w+ (asks|asked|wants|wanted|wishes|would like)\b",
    re.IGNORECASE,
)
_GREETING = re.compile(r"^(hi|hello|dear|good (morning|afternoon|evening)|hey)\b.{0,40}$", re.IGNORECASE)


def wants_to_leave(visible_text: str) -> bool:
    """Whether the person's own words (see `visible_reply`) ask us to stop mailing them.

    A lone word ("STOP", "unsubscribe") counts when it is a line of its own; otherwise a sentence must ask for it
    and not be about somebody or something else. In doubt no: the reply is read by the facilitator in any case.
    """
    text = visible_text.replace("’", "'")
    said = [line.strip() for line in text.splitlines() if line.strip() and not _GREETING.match(line.strip())]
    if any(_ALONE.fullmatch(line.strip(" .,!-*\"'")) for line in said[:2]):
        return True
    meant = (sentence for sentence in _sentences(text) if not _NOT_MEANT.search(sentence))
    return any(pattern.search(sentence) for sentence in meant for pattern in _ASKS)


def _sentences(text: str) -> list[str]:
    """Sentences and clauses: wrapped lines are joined, "but" starts a new thought."""
    joined = re.sub(r"(?<!\n)\n(?!\n)", " ", text)
    return [part.strip() for part in re.split(r"(?<=[.!?])\s+|\n+|;|,?\s+\bbut\b", joined) if part.strip()]

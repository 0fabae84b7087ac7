"""Signed links and reply addresses. Each purpose has its own salt, so that one kind of token can't stand for another."""

import hashlib
import hmac
from base64 import b32encode
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from itsdangerous import BadSignature, URLSafeSerializer

from service.errors import InvalidInput
from service.languages import said

CONFIRM_MAX_AGE = timedelta(days=14)
WELCOME_LINK_MAX_AGE = timedelta(days=30)
REPLY_MARK_LENGTH = 10
CODE_LENGTH = 6
_CODE_LETTERS = "ACDEFGHJKLMNPQRTUVWXY34679"  # nothing that looks like another


class Purpose(StrEnum):
    """What a signed link may do."""

    CONFIRM = "confirm"
    PREFERENCES = "preferences"
    UNSUBSCRIBE = "unsubscribe"
    STAY = "stay"
    APPROVE = "approve"
    SIGN_IN = "sign_in"
    EVENT = "event"
    INVITE = "invite"
    STORY = "story"
    TASK = "task"
    REPORT = "report"
    CHECK_IN = "check_in"


class Tokens:
    """Makes and reads signed tokens. Several keys may be given for rotation: the first signs, all are accepted."""

    def __init__(self, *keys: str) -> None:
        self._keys = [*reversed(keys)]  # itsdangerous signs with the last

    def sign(self, purpose: Purpose, value: str, *, scope: str = "") -> str:
        """A token without end for `value`; `scope` narrows it (a mail purpose, say)."""
        return URLSafeSerializer(self._keys, salt=f"{purpose}:{scope}").dumps(value)

    def read(self, purpose: Purpose, token: str, *, scope: str = "") -> str:
        """The value of a token without end. Raises InvalidInput when it was not made by `sign` for this purpose."""
        try:
            return str(URLSafeSerializer(self._keys, salt=f"{purpose}:{scope}").loads(token))
        except BadSignature as error:
            raise InvalidInput(said("This link is not complete. Please use the whole link from your email.")) from error

    def sign_timed(self, purpose: Purpose, value: str, *, now: datetime) -> str:
        """A token whose age can be checked."""
        return URLSafeSerializer(self._keys, salt=f"timed:{purpose}").dumps([value, int(now.timestamp())])

    def read_timed(self, purpose: Purpose, token: str, *, now: datetime, max_age: timedelta) -> str:
        """The value of a timed token. Raises InvalidInput when altered or too old."""
        try:
            value, made = URLSafeSerializer(self._keys, salt=f"timed:{purpose}").loads(token)
        except BadSignature as error:
            raise InvalidInput(said("This link is not complete. Please use the whole link from your email.")) from error
        if now.timestamp() - int(made) > max_age.total_seconds():
            raise InvalidInput(said("This link is too old. Please ask for a new one."))
        return str(value)

    def code(self, purpose: Purpose, value: str) -> str:
        """A short code to be read out or typed, always the same for a value: six capital letters and digits that can't be confused."""
        digest = hmac.new(self._keys[-1].encode(), f"code:{purpose}:{value}".encode(), hashlib.sha256).digest()
        return "".join(_CODE_LETTERS[byte % len(_CODE_LETTERS)] for byte in digest[:CODE_LENGTH])

    def is_code(self, purpose: Purpose, value: str, given: str) -> bool:
        """Is it the code of this value? Letter case, spaces and dashes don't count; codes of an older key count too."""
        plain = "".join(c for c in given.upper() if c.isalnum())
        older = (Tokens(key).code(purpose, value) for key in self._keys)
        return plain.isascii() and any(hmac.compare_digest(plain, code) for code in older)

    def _reply_mark(self, key: str, delivery_hex: str) -> str:
        digest = hmac.new(key.encode(), f"reply:{delivery_hex}".encode(), hashlib.sha256).digest()
        return b32encode(digest).decode().lower()[:REPLY_MARK_LENGTH]

    def reply_address(self, delivery_id: UUID, domain: str) -> str:
        """The address at which the answer to one delivery arrives; its local part stays under 64 characters."""
        return f"r+{delivery_id.hex}{self._reply_mark(self._keys[-1], delivery_id.hex)}@{domain}"

    def answer_address(self, reply_id: UUID, domain: str) -> str:
        """The address at which a copy of the facilitator's answer to one reply arrives."""
        return f"r+{reply_id.hex}{self._reply_mark(self._keys[-1], f'answer:{reply_id.hex}')}@{domain}"

    def delivery_of_reply_address(self, address: str) -> UUID | None:
        """The delivery that a reply address belongs to; None when it is not one of ours."""
        return self._id_in(address, "")

    def reply_of_answer_address(self, address: str) -> UUID | None:
        """The reply that an answer address belongs to; None when it is not one of ours."""
        return self._id_in(address, "answer:")

    def _id_in(self, address: str, purpose: str) -> UUID | None:
        local = address.partition("@")[0].lower()
        mark, plus, code = local.partition("+")
        if mark != "r" or not plus or len(code) != 32 + REPLY_MARK_LENGTH:  # a UUID has 32 hex digits
            return None
        id_hex, given = code[:32], code[32:]
        if not any(hmac.compare_digest(given, self._reply_mark(key, f"{purpose}{id_hex}")) for key in self._keys):
            return None
        try:
            return UUID(hex=id_hex)
        except ValueError:
            return None

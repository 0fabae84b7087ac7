"""The addresses that mails carry: preferences, unsubscribe, confirm, approve, reply. Imports nothing of the features."""

import re
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from service.errors import InvalidInput
from service.headers import TOKEN_PAGES
from service.languages import said
from service.settings import Settings
from service.tokens import WELCOME_LINK_MAX_AGE, Purpose, Tokens

_SIGNED = re.compile(rf"((?:{'|'.join(TOKEN_PAGES)}|/events/[0-9a-f-]{{36}}/))\.?[\w-]+\.[\w-]{{27}}(?![\w-])")
"""A signed address of ours, whatever host it was made for: the token is what it says, a point and the signature."""


def without_tokens(text: str) -> str:
    """What was written to one reader, as others may see it: whoever holds a signed address may do what it does."""
    return _SIGNED.sub(r"\1…", text)


class Links:
    """Makes the signed addresses of one deployment."""

    def __init__(self, tokens: Tokens, settings: Settings) -> None:
        self._tokens = tokens
        self._base = settings.base_url
        self._reply_domain = settings.reply_host
        self._from_email = settings.from_email
        self._list_id = f"<newsletter.{settings.from_email.partition('@')[2]}>"

    def page(self, path: str) -> str:
        """A page of ours by its path (`/join`)."""
        return f"{self._base}{path}"

    def preferences(self, member_id: UUID) -> str:
        """The member's preference page; never expires."""
        return f"{self._base}/preferences/{self._tokens.sign(Purpose.PREFERENCES, member_id.hex)}"

    def unsubscribe(self, member_id: UUID, purpose: str) -> str:
        """One-click unsubscribe (RFC 8058) for a purpose (newsletter, nudges, all); never expires."""
        return f"{self._base}/unsubscribe/{self._tokens.sign(Purpose.UNSUBSCRIBE, f'{member_id.hex}.{purpose}')}"

    def stay(self, member_id: UUID) -> str:
        """Where somebody who was asked whether to stop says that they want to stay; never expires."""
        return f"{self._base}/stay/{self._tokens.sign(Purpose.STAY, member_id.hex)}"

    def confirm(self, join_request_id: UUID, *, now: datetime) -> str:
        """Confirms a join request."""
        return f"{self._base}/confirm/{self._tokens.sign_timed(Purpose.CONFIRM, join_request_id.hex, now=now)}"

    def welcome(self, join_request_id: UUID, *, now: datetime) -> str:
        """The facilitator's page for one join request: read the reason, then approve, edit, swap or decline the drafted welcome. For
        mails to facilitators only: whoever holds it may decide. Good for WELCOME_LINK_MAX_AGE; opening it changes nothing.
        """
        return f"{self._base}/welcome/{self._tokens.sign_timed(Purpose.APPROVE, join_request_id.hex, now=now)}"

    def join_request_of_welcome(self, token: str, *, now: datetime) -> UUID:
        """The join request behind a facilitator's link. Raises InvalidInput when it is altered or too old."""
        return _uuid(self._tokens.read_timed(Purpose.APPROVE, token, now=now, max_age=WELCOME_LINK_MAX_AGE))

    def invitation(self, invitation_id: UUID) -> str:
        """The join page by one invitation; never expires."""
        return f"{self._base}/join?by={self._tokens.sign(Purpose.INVITE, invitation_id.hex)}"

    def story(self, ask_id: UUID) -> str:
        """Where a member tells the story they were asked for, or looks at its words; never expires."""
        return f"{self._base}/story/{self._tokens.sign(Purpose.STORY, ask_id.hex)}"

    def task(self, task: str, *, now: datetime) -> str:
        """One step of a facilitator's week, done behind a button (see `briefing/tasks.py`). For mails to facilitators only: whoever holds
        it may do it. Opening it changes nothing.
        """
        return f"{self._base}/do/{self._tokens.sign_timed(Purpose.TASK, task, now=now)}"

    def report(self, quarter: str) -> str:
        """The report of a closed quarter, for readers without a key; never expires."""
        return f"{self._base}/report/{self._tokens.sign(Purpose.REPORT, quarter)}"

    def quarter_of_report(self, token: str) -> str:
        """The quarter behind a report link. Raises InvalidInput."""
        return self._tokens.read(Purpose.REPORT, token)

    def event(self, event_id: UUID, member_id: UUID) -> str:
        """Where a member says in a click or two whether they come."""
        return f"{self._base}/events/{event_id}/{self._tokens.sign(Purpose.EVENT, member_id.hex, scope=event_id.hex)}"

    def member_of_event(self, event_id: UUID, token: str) -> UUID:
        """The member behind a personal link to an event. Raises InvalidInput."""
        return _uuid(self._tokens.read(Purpose.EVENT, token, scope=event_id.hex))

    def reply_to(self, delivery_id: UUID) -> str:
        """Where the answer to a delivery goes: back to us with a token, or to the sender's own mailbox."""
        return self._tokens.reply_address(delivery_id, self._reply_domain) if self._reply_domain else self._from_email

    def list_headers(self, unsubscribe_url: str) -> Mapping[str, str]:
        """Headers of mail a person may leave (RFC 8058, RFC 2919)."""
        return {
            "List-Unsubscribe": f"<{unsubscribe_url}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            "List-Id": self._list_id,
        }

    def member_of_preferences(self, token: str) -> UUID:
        """The member behind a preference link. Raises InvalidInput."""
        return _uuid(self._tokens.read(Purpose.PREFERENCES, token))

    def member_of_stay(self, token: str) -> UUID:
        """The member behind a link to stay. Raises InvalidInput."""
        return _uuid(self._tokens.read(Purpose.STAY, token))

    def member_and_purpose_of_unsubscribe(self, token: str) -> tuple[UUID, str]:
        """The member and purpose behind an unsubscribe link. Raises InvalidInput."""
        member, _, purpose = self._tokens.read(Purpose.UNSUBSCRIBE, token).partition(".")
        return _uuid(member), purpose

    def id_behind(self, purpose: Purpose, token: str) -> UUID:
        """The id in a link without end of this purpose. Raises InvalidInput."""
        return _uuid(self._tokens.read(purpose, token))


def _uuid(text: str) -> UUID:
    try:
        return UUID(hex=text)
    except ValueError as error:
        raise InvalidInput(said("This link is not complete. Please use the whole link from your email.")) from error

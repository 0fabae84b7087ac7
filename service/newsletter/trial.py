"""Test sends: the mail to a few addresses, marked [TEST], through a throw-away campaign; never counted, no delivery rows."""

import logging
from collections.abc import Sequence
from uuid import UUID

from service.auth.audit import record
from service.clock import Clock
from service.db import Database, new_id
from service.errors import Conflict, InvalidInput, Unavailable
from service.newsletter.editions import get_edition
from service.newsletter.mail import edition_mail
from service.newsletter.rules import EditionStatus
from service.providers.base import CampaignDraft, Campaigns, Misconfigured, OutcomeUnknown, ProviderError, Rejected
from service.rendering import Rendered, Renderer
from service.settings import Settings

log = logging.getLogger(__name__)

MARK = "[TEST]"
MOST_ADDRESSES = 5
FOLDER = "Kindling"


async def send_test(
    database: Database,
    edition_id: UUID,
    addresses: Sequence[str],
    *,
    by: str,
    clock: Clock,
    campaigns: Campaigns,
    renderer: Renderer,
    settings: Settings,
) -> None:
    """Send the edition as it stands to up to five addresses. Three steps: read, provider with no transaction open, audit.
    Raises NotFound, Conflict, InvalidInput, and Unavailable when Mailchimp does not do it now.
    """
    if not 1 <= len(addresses) <= MOST_ADDRESSES:
        raise InvalidInput.field("emails", f"give 1 to {MOST_ADDRESSES} addresses")
    async with database.reading() as session:
        edition = await get_edition(session, edition_id)
        if edition.status == EditionStatus.CANCELLED:
            raise Conflict("This edition was cancelled.")
        mail = await edition_mail(session, edition, now=clock.now(), renderer=renderer, settings=settings)
        preview_text = edition.preview_text
    try:
        await _through_mailchimp(campaigns, mail, addresses, number=edition.number, preview_text=preview_text, settings=settings)
    except OutcomeUnknown as error:
        raise Unavailable("Mailchimp did not say whether the test went. Look into the mailbox before you try again.") from error
    except Rejected as error:
        raise Conflict(f"Mailchimp refused the test: {error.title}.") from error
    except Misconfigured as error:
        raise Conflict(f"Mailchimp does not let us: {error.title}. Check the key and the plan.") from error
    except ProviderError as error:
        raise Unavailable("Mailchimp does not answer just now. Try again in a minute.") from error
    async with database.transaction() as session:
        record(
            session, actor=by, action="test_edition", subject_type="edition", subject_id=edition_id, now=clock.now(), count=len(addresses)
        )


async def _through_mailchimp(
    campaigns: Campaigns, mail: Rendered, addresses: Sequence[str], *, number: int, preview_text: str, settings: Settings
) -> None:
    """A campaign that is never sent: made, filled, tested, removed. One left behind by a crash sends nothing by itself."""
    folder = await campaigns.folder(FOLDER)
    draft = CampaignDraft(
        title=f"kindling/test/{number}/{new_id()}",
        subject=f"{MARK} {mail.subject}",
        preview_text=preview_text,
        from_name=settings.sender_name,
        reply_to=settings.from_email,
        segment_id=None,
        track_opens=False,
        track_clicks=False,
        folder_id=folder,
    )
    made = await campaigns.create(draft)
    try:
        await campaigns.set_content(made.id, html=mail.html, text=f"{MARK}\n\n{mail.text}")
        await campaigns.test(made.id, addresses)
    finally:
        await _tidy_up(campaigns, made.id)


async def _tidy_up(campaigns: Campaigns, campaign_id: str) -> None:
    try:
        await campaigns.delete(campaign_id)
    except ProviderError as error:
        log.warning("test campaign left behind: campaign=%s cause=%s", campaign_id, error.title)

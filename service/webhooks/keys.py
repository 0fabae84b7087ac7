"""Which secrets count for incoming calls: from the settings, and those that providers made when webhooks were set up."""

from sqlmodel import select

from service.parts import Parts
from service.settings import kept_secret
from service.webhooks.inbox import Source
from service.webhooks.models import WebhookKey


def _several(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


def marketing_path_secrets(parts: Parts) -> list[str]:
    """The secret last part of the audience webhook's address; several, separated by commas, while it is being changed.
    Made once and kept in `VAR_DIR` where no setting gives one.
    """
    given = _several(parts.settings.mailchimp_webhook_secret.get_secret_value())
    return given or [kept_secret(parts.settings.var_dir / "webhook_secret")]


async def signing_keys(parts: Parts, source: Source) -> list[str]:
    """The keys with which calls of this source may be signed. Inbound routes sign with a key of their own or the account's."""
    sources = [Source.INBOUND, Source.TRANSACTIONAL] if source is Source.INBOUND else [source]
    async with parts.database.reading() as session:
        stored = [row.secret for row in await session.exec(select(WebhookKey)) if row.source in sources]
    given = [] if source is Source.MARKETING else _several(parts.settings.mailchimp_transactional_webhook_key.get_secret_value())
    return [*given, *stored]

"""Setting Mailchimp up for us: what to make there, and keeping the signing keys it gives."""

from sqlmodel import select

from service.audience.rules import role_tag
from service.members.rules import LeadershipRole
from service.parts import Parts
from service.providers.build import MailchimpProviders
from service.providers.findings import Finding, SetupPlan, SetupResult
from service.webhooks.inbox import Source
from service.webhooks.keys import marketing_path_secrets
from service.webhooks.models import WebhookKey


async def set_up_mailchimp(parts: Parts, providers: MailchimpProviders, *, dry_run: bool) -> tuple[Finding, ...]:
    """Make what is missing at Mailchimp: merge fields, folder, webhooks, metadata index, inbound route. May be run again at any time.

    Raises any ProviderError. The keys that Mailchimp shows only once are kept in the database.
    """
    plan = await _plan(parts)
    result = await providers.set_up(plan, dry_run=dry_run)
    if not dry_run:
        await _keep_keys(parts, plan, result)
    return result.findings


async def _plan(parts: Parts) -> SetupPlan:
    settings = parts.settings
    marketing_url = parts.links.page(f"/webhooks/mailchimp/{marketing_path_secrets(parts)[0]}")
    async with parts.database.reading() as session:
        held = await session.exec(
            select(WebhookKey.id).where(WebhookKey.source == Source.MARKETING, WebhookKey.url == marketing_url).limit(1)
        )
        holds = held.first() is not None
    return SetupPlan(
        segments=[role_tag(role) for role in LeadershipRole],
        audience_webhook_url=marketing_url,
        holds_signing_secret=holds,
        transactional_webhook_url=parts.links.page("/webhooks/transactional"),
        inbound_domain=settings.reply_host,
        inbound_url=parts.links.page("/webhooks/inbound"),
        from_email=settings.from_email,
    )


async def _keep_keys(parts: Parts, plan: SetupPlan, result: SetupResult) -> None:
    given = (
        (Source.MARKETING, plan.audience_webhook_url, result.signing_secret),
        (Source.TRANSACTIONAL, plan.transactional_webhook_url, result.transactional_key),
    )
    for source, url, secret in given:
        if secret:
            await keep_key(parts, source, url=url, secret=secret)


async def keep_key(parts: Parts, source: Source, *, url: str, secret: str) -> None:
    """From now on calls signed with this key count too."""
    async with parts.database.transaction() as session:
        known = await session.exec(select(WebhookKey.id).where(WebhookKey.source == source, WebhookKey.secret == secret).limit(1))
        if known.first() is None:
            session.add(WebhookKey(source=source, url=url, secret=secret, created_at=parts.clock.now()))

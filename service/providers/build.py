"""From configuration to adapters: the only file that knows which adapter stands behind which port."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import httpx
from redis.asyncio import Redis

from service.clock import Clock
from service.providers.base import Mailer, Product
from service.providers.breaker import Breaker, BreakerState
from service.providers.config import MailchimpConfig, SmtpConfig
from service.providers.findings import AccountFacts, Finding, SetupPlan, SetupResult
from service.providers.mailchimp_audience import MailchimpAudience
from service.providers.mailchimp_campaigns import MailchimpCampaigns
from service.providers.mailchimp_http import MarketingApi, marketing_client
from service.providers.mailchimp_reports import MailchimpReports
from service.providers.mailchimp_segments import ensure_segments
from service.providers.mailchimp_setup import account_facts, check_sender, ensure_audience_webhook, ensure_folder, ensure_merge_fields
from service.providers.mailchimp_transactional import MailchimpTransactional
from service.providers.ports import Providers
from service.providers.retry import Sleep
from service.providers.slots import LocalSlots, RedisSlots, Slots
from service.providers.transactional_http import TransactionalApi, transactional_clients
from service.providers.transactional_setup import check_sending_domain, ensure_inbound, ensure_metadata_index, ensure_webhook

__all__ = ["MailchimpProviders", "build_providers", "build_slots"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MailchimpProviders(Providers):
    """The adapters of one process, and what belongs to them. Close it when the process ends."""

    audience_id: str
    marketing: MarketingApi
    transactional: TransactionalApi | None
    breakers: Mapping[Product, Breaker]
    slots: Mapping[Product, Slots]
    marketing_http: httpx.Client
    transactional_http: Sequence[httpx.AsyncClient]

    def breaker_states(self) -> dict[Product, BreakerState]:
        """How each product does just now, for `doctor` and the metrics."""
        return {product: breaker.state for product, breaker in self.breakers.items()}

    async def account_facts(self) -> AccountFacts:
        """What the account can do. Raises Misconfigured, Rejected or Temporary."""
        return await account_facts(self.marketing, audience_id=self.audience_id)

    async def set_up(self, plan: SetupPlan, *, dry_run: bool) -> SetupResult:
        """Make what is missing at Mailchimp and say what was found; may be run again at any time. Raises any ProviderError."""
        findings = await ensure_merge_fields(self.marketing, audience_id=self.audience_id, dry_run=dry_run)
        folder, folder_id = await ensure_folder(self.marketing, audience_id=self.audience_id, name=plan.folder, dry_run=dry_run)
        findings.append(folder)
        if plan.segments:
            findings.append(await ensure_segments(self.marketing, audience_id=self.audience_id, names=plan.segments, dry_run=dry_run))
        secret = ""
        if plan.audience_webhook_url:
            hook, secret = await ensure_audience_webhook(
                self.marketing,
                audience_id=self.audience_id,
                url=plan.audience_webhook_url,
                holds_secret=plan.holds_signing_secret,
                dry_run=dry_run,
            )
            findings.append(hook)
        if plan.from_email:
            findings.append(await check_sender(self.marketing, from_email=plan.from_email))
        more, key = await self._set_up_transactional(plan, dry_run=dry_run)
        return SetupResult((*findings, *more), signing_secret=secret, transactional_key=key, folder_id=folder_id)

    async def _set_up_transactional(self, plan: SetupPlan, *, dry_run: bool) -> tuple[list[Finding], str]:
        api, key = self.transactional, ""
        if api is None:
            detail = "There is no Transactional key: personal mail goes out as small campaigns, and replies to the From address."
            return [Finding("transactional", True, detail)], ""
        findings = [await ensure_metadata_index(api, dry_run=dry_run)]
        if plan.transactional_webhook_url:
            hook, key = await ensure_webhook(api, url=plan.transactional_webhook_url, dry_run=dry_run)
            findings.append(hook)
        if plan.from_email:
            findings.append(await check_sending_domain(api, from_email=plan.from_email))
        if plan.inbound_domain and plan.inbound_url:
            findings += await ensure_inbound(api, domain=plan.inbound_domain, url=plan.inbound_url, dry_run=dry_run)
        return findings, key

    async def close(self) -> None:
        """Close every connection and stop renewing slots."""
        for slots in self.slots.values():
            if isinstance(slots, RedisSlots):
                await slots.close()
        self.marketing_http.close()
        for client in self.transactional_http:
            await client.aclose()


def build_slots(config: MailchimpConfig, redis: Redis | None) -> dict[Product, Slots]:
    """Slots per product, over all processes with Redis at hand, else for this process alone."""
    sizes = {Product.MARKETING: config.marketing_connections, Product.TRANSACTIONAL: config.transactional_connections}
    wait = config.slot_wait_seconds
    if redis is None:
        return {product: LocalSlots(size, wait_seconds=wait) for product, size in sizes.items()}
    return {product: RedisSlots(redis, product.value, size, wait_seconds=wait) for product, size in sizes.items()}


def build_providers(
    config: MailchimpConfig,
    *,
    slots: Mapping[Product, Slots],
    clock: Clock,
    smtp: SmtpConfig | None = None,
    sleep: Sleep = asyncio.sleep,
    draw: Callable[[], float] = random.random,
    marketing_transport: httpx.BaseTransport | None = None,
    transactional_transport: httpx.AsyncBaseTransport | None = None,
) -> MailchimpProviders:
    """The adapters over the connections of each product. `mailer` is Transactional where there is a key, else the mail server of
    `smtp`, else None. The transports are for tests
    of exact HTTP edges; `draw` gives the jitter, 0..1.
    """
    breakers = {
        product: Breaker(failures=config.breaker_failures, open_seconds=config.breaker_open_seconds, now=clock.now)
        for product in (Product.MARKETING, Product.TRANSACTIONAL)
    }
    marketing_http = marketing_client(config, transport=marketing_transport)
    transactional_http = transactional_clients(config, slots[Product.TRANSACTIONAL].size, transport=transactional_transport)
    marketing = MarketingApi(
        config, http=marketing_http, slots=slots[Product.MARKETING], breaker=breakers[Product.MARKETING], sleep=sleep, draw=draw
    )
    transactional = (
        TransactionalApi(
            config,
            http=transactional_http,
            slots=slots[Product.TRANSACTIONAL],
            breaker=breakers[Product.TRANSACTIONAL],
            sleep=sleep,
            draw=draw,
        )
        if config.transactional_key
        else None
    )
    return MailchimpProviders(
        audience=MailchimpAudience(marketing, audience_id=config.audience_id, batch_wait_seconds=config.batch_wait_seconds),
        campaigns=MailchimpCampaigns(marketing, audience_id=config.audience_id),
        reports=MailchimpReports(marketing, audience_id=config.audience_id),
        mailer=_mailer(config, transactional, smtp, clock=clock),
        audience_id=config.audience_id,
        marketing=marketing,
        transactional=transactional,
        breakers=breakers,
        slots=slots,
        marketing_http=marketing_http,
        transactional_http=transactional_http,
    )


def _mailer(config: MailchimpConfig, transactional: TransactionalApi | None, smtp: SmtpConfig | None, *, clock: Clock) -> Mailer | None:
    if transactional is not None:
        return MailchimpTransactional(transactional, searches_per_minute=config.searches_per_minute, now=clock.now)
    if smtp is None:
        return None
    from service.providers.smtp import SmtpMailer  # noqa: PLC0415  # most communities have no mail server of their own

    return SmtpMailer(smtp, now=clock.now)

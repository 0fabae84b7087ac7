"""All wiring in one visible place: from settings to the parts of a running process."""

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from arq.connections import ArqRedis, RedisSettings
from sqlmodel.ext.asyncio.session import AsyncSession

from service.checkpoints import dying_at
from service.clock import Clock, clock_from
from service.db import Database
from service.embedded import redis_settings
from service.limits import LocalLimiter, RedisLimiter
from service.links import Links
from service.parts import Parts
from service.providers.at_first_use import ProvidersAtFirstUse
from service.providers.base import Product
from service.providers.config import MailchimpConfig, SmtpConfig
from service.providers.ports import Providers
from service.queue import Queue, SilentQueue, open_queue
from service.rendering import Brand, Community, Renderer
from service.resources.at_first_use import MatcherAtFirstUse
from service.resources.candidates import Matching
from service.settings import Settings
from service.tokens import Tokens

log = logging.getLogger(__name__)

TEMPLATES = Path(__file__).resolve().parent.parent / "email_templates"
SANDBOX_KEY = "sandbox-key-us1"
SANDBOX_TRANSACTIONAL_KEY = "md-sandbox-key"
SANDBOX_AUDIENCE = "sandbox01"


def mailchimp_config(settings: Settings) -> MailchimpConfig:
    """What the adapters need. Without a Mailchimp key they speak to the stand-in on SANDBOX_PORT, over the same HTTP."""
    stand_in = f"http://127.0.0.1:{settings.sandbox_port}"
    marketing_url, transactional_url = settings.mailchimp_marketing_url, settings.mailchimp_transactional_url
    if settings.uses_sandbox:
        stand_in_key = "" if settings.uses_smtp else SANDBOX_TRANSACTIONAL_KEY
        return MailchimpConfig(
            api_key=SANDBOX_KEY,
            audience_id=settings.mailchimp_audience_id or SANDBOX_AUDIENCE,
            transactional_key=settings.mailchimp_transactional_key.get_secret_value() or stand_in_key,
            marketing_url=marketing_url or f"{stand_in}/3.0",
            transactional_url=transactional_url or f"{stand_in}/api/1.0",
        )
    config = MailchimpConfig(
        api_key=settings.mailchimp_api_key.get_secret_value(),
        audience_id=settings.mailchimp_audience_id,
        transactional_key=settings.mailchimp_transactional_key.get_secret_value(),
        marketing_url=marketing_url,
    )
    return replace(config, transactional_url=transactional_url) if transactional_url else config


def smtp_config(settings: Settings) -> SmtpConfig | None:
    """The mail server for personal mail, where SMTP_URL names one."""
    return SmtpConfig.from_url(settings.smtp_url.get_secret_value()) if settings.uses_smtp else None


def make_providers(settings: Settings, redis: ArqRedis | None, clock: Clock) -> ProvidersAtFirstUse:
    """The adapters of the settings, built at their first use."""
    config, smtp = mailchimp_config(settings), smtp_config(settings)

    def make() -> Providers:
        # HTTP clients, TLS, a module for each part of Mailchimp: nothing that a request for a page or a webhook needs
        from service.providers.build import build_providers, build_slots  # noqa: PLC0415

        return build_providers(config, slots=build_slots(config, redis), clock=clock, smtp=smtp)

    personal = Product.TRANSACTIONAL if config.transactional_key else Product.SMTP if smtp is not None else Product.MARKETING
    return ProvidersAtFirstUse(make, personal=personal)


def make_renderer(settings: Settings) -> Renderer:
    """The templates with the community's own values."""
    return _renderer_for(
        Community(
            name=settings.community_name,
            sender_name=settings.sender_name,
            postal_address=settings.postal_address,
            base_url=settings.base_url,
            facilitator_name=settings.from_name,
            brand=Brand.load(settings.brand_file) if settings.brand_file else None,
        )
    )


@lru_cache(maxsize=2)
def _renderer_for(community: Community) -> Renderer:
    """Compiled once in a process: it may be shared."""
    return Renderer(TEMPLATES, community)


def make_matcher() -> Matching:
    """Reason-to-resource matching by meaning, or by words alone where the model's weights are not installed; loaded at its first use."""
    return MatcherAtFirstUse(_load_matcher)


def _load_matcher() -> Matching:
    # numpy, the network, the stemmer: half a second and 60 MB that only a process that matches pays for
    from service.resources.embedding import MiniLM, find_model  # noqa: PLC0415
    from service.resources.matching import Matcher  # noqa: PLC0415

    try:
        return Matcher(MiniLM(find_model()))
    except (OSError, RuntimeError) as error:
        log.warning("matching by words only: %s", type(error).__name__)
        return Matcher(None)


async def _is_stopped(session: AsyncSession, keys: Sequence[str]) -> set[str]:
    from service.messages.suppressions import stopped_keys  # noqa: PLC0415  # the tables of members and mails: not for a first answer

    return await stopped_keys(session, keys)


@asynccontextmanager
async def open_parts(settings: Settings, *, redis: RedisSettings | None = None) -> AsyncIterator[Parts]:
    """Everything a process needs. `redis` None: a command that leaves the work to the worker's tick, and no shared limits."""
    async with AsyncExitStack() as stack:
        database = Database(settings.database)
        stack.push_async_callback(database.close)
        queue: Queue = SilentQueue()
        pool: ArqRedis | None = None
        if redis is not None:
            queue, pool = open_queue(redis)
            stack.push_async_callback(pool.aclose)
        clock = clock_from(settings.clock_file)
        providers = make_providers(settings, pool, clock)
        stack.push_async_callback(providers.close)
        tokens = Tokens(*settings.signing_keys())
        yield Parts(
            settings=settings,
            database=database,
            queue=queue,
            clock=clock,
            tokens=tokens,
            links=Links(tokens, settings),
            renderer=make_renderer(settings),
            providers=providers,
            matcher=make_matcher(),
            is_stopped=_is_stopped,
            limiter=LocalLimiter() if pool is None else RedisLimiter(pool),
            passing=dying_at(settings.crash_at),
        )


@asynccontextmanager
async def open_parts_with_redis(settings: Settings) -> AsyncIterator[Parts]:
    """As `open_parts`, over the Redis of the settings: REDIS_URL, or the embedded one of VAR_DIR."""
    with redis_settings(settings.redis_url.get_secret_value(), settings.var_dir / "redis") as redis:
        async with open_parts(settings, redis=redis) as parts:
            yield parts

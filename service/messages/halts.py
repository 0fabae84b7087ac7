"""Stopping all sending through a product whose key or account is refused, and starting again once it is mended."""

import logging
from datetime import datetime

from sqlalchemy import BindParameter, ColumnElement
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.messages.models import ProviderHalt
from service.providers.base import Misconfigured, Product

log = logging.getLogger(__name__)


async def halt(session: AsyncSession, product: Product, error: Misconfigured, *, now: datetime) -> None:
    """Stop everything through this product until a person has mended what the error names."""
    if await session.get(ProviderHalt, product) is None:
        log.error("sending stopped: product=%s cause=%s status=%s instance=%s", product, error.title, error.status, error.instance)
        session.add(ProviderHalt(product=product, since=now, title=error.title[:200], status=error.status, instance=error.instance[:100]))
        await session.flush()


async def is_halted(session: AsyncSession, product: Product) -> bool:
    """Is sending through this product stopped?"""
    return await session.get(ProviderHalt, product) is not None


def goes_on(product: Product | BindParameter[str]) -> ColumnElement[bool]:
    """The same as a condition of a query, the other way round: nothing stops this product."""
    return ~select(ProviderHalt.product).where(ProviderHalt.product == product).exists()


async def halts(session: AsyncSession) -> list[ProviderHalt]:
    """Every product that is stopped, and why."""
    return list((await session.exec(select(ProviderHalt))).all())


async def resume(session: AsyncSession, product: Product) -> bool:
    """Sending may go on. True when it had been stopped."""
    row = await session.get(ProviderHalt, product)
    if row is None:
        return False
    await session.delete(row)
    log.warning("sending goes on: product=%s", product)
    return True

"""One-to-one mail through `deliver_due`, each committed before and after its call, beside bare httpx sending the same bodies to the same
sandbox over as many connections.

    python -m bench.fanout [--mails 10000] [--database postgresql]

Measured twice: with a sandbox that answers at once (what our own work costs), and with one that takes as long as Mailchimp may.
"""

import argparse
import asyncio
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import orjson
from pydantic import SecretStr
from sqlmodel import col, func, select

from bench.book import Figure, keep
from bench.importing import empty
from service.bootstrap import make_renderer
from service.db import Database, insert_new, new_id
from service.links import Links
from service.members.models import Member
from service.messages.models import Delivery, Message
from service.messages.rules import DeliveryStatus, MessageKind
from service.messages.sending import deliver_due, outbound
from service.messages.suppressions import stopped_keys
from service.parts import Parts
from service.providers.build import build_providers, build_slots
from service.providers.config import MailchimpConfig
from service.providers.mailchimp_transactional import _message
from service.resources.matching import Matcher
from service.settings import Settings
from service.tokens import Tokens
from tests.factories import a_delivery, a_member
from tests.fakes import NOW, FrozenClock, RecordingQueue
from tests.providers.sandboxed import Sandbox, running_sandbox

ANSWER_SECONDS = 0.1
"""How long Mailchimp takes for a call, in the second measurement."""
WANTED = 0.5


async def parts_of(stack: AsyncExitStack, database: Database, config: MailchimpConfig, folder: Path) -> Parts:
    """The parts of one worker, its clock at a time when welcomes may go."""
    clock = FrozenClock(NOW)
    providers = build_providers(config, slots=build_slots(config, None), clock=clock)
    stack.push_async_callback(providers.close)
    settings = Settings(_env_file=None, var_dir=folder, secret_key=SecretStr("b" * 40))  # type: ignore[call-arg]
    tokens = Tokens("b" * 40)
    return Parts(
        settings, database, RecordingQueue(), clock, tokens, Links(tokens, settings), make_renderer(settings), providers, Matcher(None),
        stopped_keys,
    )  # fmt: skip


async def fill(parts: Parts, mails: int) -> list[dict[str, Any]]:
    """So many welcomes that are due, each to a member of its own: one queued as the service does it, the others after its likeness. Gives
    their bodies.
    """
    async with parts.database.transaction() as session:
        member = await a_member(session, "member0@trust.example.org")
        delivery = await a_delivery(session, parts, member, key="welcome:0", kind=MessageKind.WELCOME)
        message = await session.get_one(Message, delivery.message_id)
        people, texts, letters = [], [], []
        for number in range(1, mails):
            email = f"member{number}@trust.example.org"
            people.append(member.model_dump() | {"id": new_id(), "email": email, "email_key": email})
            texts.append(message.model_dump() | {"id": new_id()})
            own = {"id": new_id(), "key": f"welcome:{number}", "email": email, "member_id": people[-1]["id"], "message_id": texts[-1]["id"]}
            letters.append(delivery.model_dump() | own)
        await insert_new(session, Member, people, unique=["email_key"])
        await insert_new(session, Message, texts, unique=["id"])
        await insert_new(session, Delivery, letters, unique=["key"])
    async with parts.database.reading() as session:
        rows = (await session.exec(select(Delivery, Message).join(Message, col(Message.id) == col(Delivery.message_id)))).all()
    return [_message(outbound(parts, delivery, message)) for delivery, message in rows]


async def bare(config: MailchimpConfig, bodies: list[dict[str, Any]]) -> float:
    """Seconds that httpx alone takes, with nothing kept."""
    left = iter(bodies)
    connections = config.transactional_connections
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)

    async def lane(client: httpx.AsyncClient) -> None:
        for body in left:
            content = orjson.dumps({"message": body, "async": False, "key": config.transactional_key})
            answer = await client.post(f"{config.transactional_url}/messages/send.json", content=content)
            assert answer.json()[0]["status"] == "sent", answer.text

    async with httpx.AsyncClient(limits=limits, timeout=60, trust_env=False, headers={"Content-Type": "application/json"}) as client:
        begun = time.perf_counter()
        await asyncio.gather(*(lane(client) for _ in range(connections)))
        return time.perf_counter() - begun


async def measure(kind: str, mails: int, sandbox: Sandbox, answer_seconds: float, wanted: float | None) -> Figure:
    """Ours on an empty database, then the limit."""
    sandbox.ask("DELETE", "/faults")
    if answer_seconds:
        sandbox.fault("slow", product="transactional", operation="*send*", seconds=answer_seconds, count=None)
    config = replace(sandbox.config, slot_wait_seconds=120)
    with tempfile.TemporaryDirectory(prefix="kbench") as name:
        async with empty(kind, Path(name)) as (database, _), AsyncExitStack() as stack:
            parts = await parts_of(stack, database, config, Path(name))
            bodies = await fill(parts, mails)
            begun = time.perf_counter()
            await deliver_due(parts, owner="bench")
            taken = time.perf_counter() - begun
            async with database.reading() as session:
                accepted = (await session.exec(select(func.count()).where(Delivery.status == DeliveryStatus.ACCEPTED))).one()
            assert accepted == mails, f"{accepted} of {mails} are accepted"
    limit = await bare(config, bodies)
    peer = f"bare httpx, {config.transactional_connections} connections"
    answers = f"answers after {answer_seconds * 1000:.0f} ms" if answer_seconds else "answers at once"
    return Figure(f"one-to-one mail, {answers}, {kind}", mails, mails / taken, "mails/s", mails / limit, peer, wanted)


async def run(options: argparse.Namespace) -> None:
    kinds = [options.database] if options.database else ["sqlite", "postgresql"]
    most = options.mails
    sizes = [(max(1, most // 100), 0.0, None), (most // 10, 0.0, None), (most, 0.0, WANTED), (most // 10, ANSWER_SECONDS, WANTED)]
    with running_sandbox() as sandbox:
        keep("fanout", [await measure(kind, mails, sandbox, seconds, wanted) for kind in kinds for mails, seconds, wanted in sizes])


def main() -> None:
    """Measure and keep."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--mails", type=int, default=10_000)
    parser.add_argument("--database", choices=["sqlite", "postgresql"])
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()

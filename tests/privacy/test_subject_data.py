import json
from collections.abc import AsyncIterator

import pytest_asyncio
from sqlmodel import select

from service.auth.models import AuditEntry
from service.members.models import Member
from service.parts import Parts
from service.privacy import erase, subject_data
from tests.api_client import Api, open_api
from tests.privacy.conftest import ASHA, OTHER, SECRETS


@pytest_asyncio.fixture
async def api(parts: Parts) -> AsyncIterator[Api]:
    async with open_api(parts) as api:
        yield api


async def test_the_file_holds_everything_of_one_person_and_nothing_of_another(parts: Parts, asha: Member) -> None:
    async with parts.database.reading() as session:
        data = await subject_data(session, asha.id)
    text = json.dumps(data)
    assert {secret for secret in SECRETS if secret not in text and secret.lower() not in text.lower()} == set()
    assert OTHER not in text
    assert "Mary" not in text
    filled = {name for name, section in data.items() if section}
    assert filled == {
        "member", "history", "consents", "join_requests", "deliveries", "engagement", "replies", "attendance", "mailchimp_audience",
        "raw_reports",
    }  # fmt: skip
    assert data["member"]["organisation"] == "Airedale Trust"
    assert len(data["raw_reports"]) == 2
    assert {d["subject"] for d in data["deliveries"]} == {"Welcome Asha", "Edition 1"}


async def test_after_erasure_the_file_holds_nothing_personal(parts: Parts, asha: Member) -> None:
    await erase(parts, asha.id, by="key:test")
    async with parts.database.reading() as session:
        text = json.dumps(await subject_data(session, asha.id)).lower()
    assert {secret for secret in SECRETS if secret.lower() in text} == set()


async def test_the_routes_need_the_right_roles_and_leave_a_note(api: Api, asha: Member) -> None:
    path = f"members/{asha.id}"
    assert (await api.stranger.get(f"{path}/data")).status_code == 401
    assert (await api.viewer.get(f"{path}/data")).status_code == 403
    assert (await api.facilitator.post(f"{path}/erase")).status_code == 403
    data = await api.facilitator.get(f"{path}/data")
    assert (data.status_code, data.json()["member"]["email"]) == (200, ASHA)
    html = await api.facilitator.get(f"{path}/data?format=html")
    assert (html.status_code, "Everything we hold about you" in html.text, ASHA in html.text) == (200, True, True)
    done = await api.admin.post(f"{path}/erase")
    assert (done.status_code, done.json()["member_id"], done.json()["done_at"] is not None) == (200, str(asha.id), True)
    assert (await api.admin.post(f"{path}/erase")).json() == done.json()
    async with api.parts.database.reading() as session:
        actions = [(e.action, e.actor[:4]) for e in await session.exec(select(AuditEntry).where(AuditEntry.subject_id == str(asha.id)))]
    assert actions == [("read_subject_data", "key:")] * 2 + [("erase_member", "key:"), ("erasure_done", "syst")]


async def test_somebody_unknown_is_not_found(api: Api) -> None:
    unknown = "01890000-0000-7000-8000-000000000000"
    assert (await api.facilitator.get(f"members/{unknown}/data")).status_code == 404
    assert (await api.admin.post(f"members/{unknown}/erase")).status_code == 404

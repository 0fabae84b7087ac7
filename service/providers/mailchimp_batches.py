"""Mailchimp's batch jobs: many PUTs that run at their side and hold none of our connections."""

import gzip
import io
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import orjson

from service.providers.base import Contact, ContactProblem, OutcomeUnknown, Rejected
from service.providers.mailchimp_http import BAD_REQUEST, NOT_FOUND, SERVER_ERRORS, TOO_MANY, Json, MarketingApi
from service.providers.mailchimp_members import contact_of, member_key, tag_changes, upsert
from service.providers.scrubbing import scrub

_FIRST_WAIT_SECONDS = 1.0
_LONGEST_WAIT_SECONDS = 15.0


def put_operations(audience_id: str, contacts: Sequence[Contact]) -> list[dict[str, str]]:
    """A PUT per contact, and a POST where there are tags to change. Their order of running is not promised."""
    operations = []
    for contact in contacts:
        key = member_key(contact.email)
        path = f"/lists/{audience_id}/members/{key}"
        operations.append(_operation("PUT", path, f"put:{key}", upsert(contact)))
        if contact.tags or contact.drop_tags:
            operations.append(_operation("POST", f"{path}/tags", f"tags:{key}", tag_changes(contact.tags, contact.drop_tags)))
    return operations


def _operation(method: str, path: str, operation_id: str, body: dict[str, Any]) -> dict[str, str]:
    return {"method": method, "path": path, "operation_id": operation_id, "body": orjson.dumps(body).decode()}


async def start_batch(api: MarketingApi, operations: Sequence[dict[str, str]]) -> str:
    """Hand the operations over; the job's id."""
    body = {"operations": list(operations)}
    return await api.write(lambda sdk: sdk.batches.start(body), lambda answer: str(answer["id"]))


async def batch_results(api: MarketingApi, batch_id: str) -> list[dict[str, Any]] | None:
    """Rows `{operation_id, status_code, response}` of a finished job; None while it runs."""
    status = await api.read(lambda sdk: sdk.batches.status(batch_id), _status)
    if status["status"] != "finished":
        return None
    if not status.get("errored_operations") and not status.get("response_body_url"):
        return []
    try:
        archive = await api.download(str(status["response_body_url"]))
    except Rejected:  # the link is good for ten minutes; asking again makes a new one
        status = await api.read(lambda sdk: sdk.batches.status(batch_id), _status)
        archive = await api.download(str(status["response_body_url"]))
    import tarfile  # noqa: PLC0415  # a process that reads no batch results needs none

    try:
        return list(_rows(archive))
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, ValueError) as error:
        raise OutcomeUnknown("Batch results can't be read") from error


def _status(answer: Json) -> dict[str, Any]:
    if not isinstance(answer["status"], str):
        raise TypeError("no batch status")
    return dict(answer)


def _rows(archive: bytes) -> Iterator[dict[str, Any]]:
    import tarfile  # noqa: PLC0415  # as above

    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        for member in tar:
            file = tar.extractfile(member) if member.isfile() else None
            content = file.read() if file is not None else b""
            if content:
                yield from orjson.loads(content)


async def wait_for_batch(api: MarketingApi, batch_id: str, *, longest_seconds: float) -> list[dict[str, Any]]:
    """The results when the job is done. Raises OutcomeUnknown when that takes longer than `longest_seconds`."""
    waited, wait = 0.0, _FIRST_WAIT_SECONDS
    while (rows := await batch_results(api, batch_id)) is None:
        if waited >= longest_seconds:
            raise OutcomeUnknown("Batch still runs")
        await api.sleep(wait)
        waited += wait
        wait = min(_LONGEST_WAIT_SECONDS, wait * 2)
    return rows


def put_found(rows: Sequence[dict[str, Any]]) -> list[Contact]:
    """The contacts as Mailchimp has them after their PUT; an answer that can't be read is left out."""
    found = []
    for row in rows:
        if str(row.get("operation_id") or "").startswith("put:") and 0 < int(row.get("status_code") or 0) < BAD_REQUEST:
            with suppress(KeyError, ValueError, TypeError):
                found.append(contact_of(_answer_in(row)))
    return found


def put_problems(rows: Sequence[dict[str, Any]], contacts: Sequence[Contact]) -> list[ContactProblem]:
    """What went wrong, by contact: at most one problem each. Tags that were put on before their contact existed may be tried again."""
    emails = {member_key(contact.email): contact.email for contact in contacts}
    problems: dict[str, ContactProblem] = {}
    for row in rows:
        status = int(row.get("status_code") or 0)
        if 0 < status < BAD_REQUEST:
            continue
        kind, _, key = str(row.get("operation_id") or "").partition(":")
        if kind == "tags" and key in problems:  # follows from the contact's own problem
            continue
        answer = _answer_in(row)
        too_early = kind == "tags" and status == NOT_FOUND
        final = BAD_REQUEST <= status < SERVER_ERRORS and status != TOO_MANY and not too_early
        title = str(answer.get("title") or f"HTTP {status}")
        problems[key] = ContactProblem(emails.get(key, ""), title, scrub(str(answer.get("detail") or "")), final)
    return list(problems.values())


def _answer_in(row: dict[str, Any]) -> dict[str, Any]:
    response = row.get("response")
    try:
        answer = orjson.loads(response) if isinstance(response, str) else response
    except orjson.JSONDecodeError:
        return {}
    return answer if isinstance(answer, dict) else {}

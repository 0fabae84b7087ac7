"""Batch jobs: operations run in the background, results as a gzipped tar of JSON."""

import asyncio
import io
import tarfile
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import orjson

from sandbox.spec_check import Answered
from sandbox.store import Doc
from sandbox.times import iso
from sandbox.wire import Call, Problem, Reply, invalid, not_found, select

if TYPE_CHECKING:
    from sandbox.box import Sandbox
    from sandbox.marketing.api import MarketingApi
    from sandbox.spec_check import SpecCheck

MAX_PENDING = 500
RESULT_FILE = 1000
URL_MINUTES = 10
KEPT_DAYS = 7


def _doc(call: Call, batch: Doc) -> Doc:
    finished = batch["status"] == "finished"
    shown = {name: batch[name] for name in ("id", "status", "total_operations", "finished_operations", "errored_operations")}
    shown |= {"submitted_at": iso(batch["submitted_at"]), "completed_at": iso(batch["completed_at"])}
    until = int(call.box.clock.now() + 60 * URL_MINUTES)
    base = call.box.config.public_url
    shown["response_body_url"] = f"{base}/results/{batch['id']}?{urlencode({'until': until})}" if finished else ""
    return shown


async def start_batch(call: Call) -> Reply:
    """POST /batches: answered at once, carried out in the background."""
    operations = call.doc().get("operations")
    if not isinstance(operations, list) or not operations:
        raise invalid("operations", "This value should not be blank.")
    for operation in operations:
        if operation.get("method") not in ("GET", "POST", "PUT", "PATCH", "DELETE") or not operation.get("path"):
            raise invalid("operations", "Each operation needs a method and a path.")
    table = call.box.state.table("batch")
    if sum(b["status"] != "finished" for b in table.rows.values()) >= MAX_PENDING:
        raise Problem(429, "Too Many Requests", "You have 500 pending batches; wait for some to finish.")
    batch: Doc = {
        "id": call.box.state.new_id("batch"),
        "status": "pending",
        "total_operations": len(operations),
        "finished_operations": 0,
        "errored_operations": 0,
        "submitted_at": call.box.clock.now(),
        "completed_at": None,
    }
    table.save(batch["id"], batch)
    call.box.store.put_body(f"batch:{batch['id']}", {"operations": operations})
    return Reply(_doc(call, batch))


async def list_batches(call: Call) -> Reply:
    """GET /batches."""
    found = list(call.box.state.table("batch").rows.values())
    offset, count = call.page()
    body = {"batches": [_doc(call, b) for b in found[offset : offset + count]], "total_items": len(found)}
    return Reply(select(body, call.query))


def _batch(call: Call) -> Doc:
    batch = call.box.state.table("batch").get(call.args["batch_id"])
    if batch is None:
        raise not_found()
    return batch


async def get_batch(call: Call) -> Reply:
    """GET /batches/{batch_id}: `finished` is not success, look at errored_operations."""
    return Reply(select(_doc(call, _batch(call)), call.query))


async def delete_batch(call: Call) -> Reply:
    """DELETE /batches/{batch_id}: stops it if it has not finished."""
    call.box.state.table("batch").drop(_batch(call)["id"])
    return Reply(status=204)


async def run_pending(box: "Sandbox", api: "MarketingApi", spec: "SpecCheck | None") -> int:
    """Carry out every pending batch; answer how many were finished."""
    table = box.state.table("batch")
    todo = [b for b in table.rows.values() if b["status"] != "finished"]
    for batch in todo:
        await _run(box, api, spec, batch)
    return len(todo)


async def _run(box: "Sandbox", api: "MarketingApi", spec: "SpecCheck | None", batch: Doc) -> None:
    table = box.state.table("batch")
    kept = box.store.body(f"batch:{batch['id']}")
    results: list[Doc] = []
    batch |= {"status": "started", "finished_operations": 0, "errored_operations": 0}
    table.save(batch["id"], batch)
    for number, operation in enumerate(kept.get("operations", ()), 1):
        reply = await _operation(api, spec, operation)
        batch["finished_operations"] = number
        batch["errored_operations"] += reply.status >= 400
        results.append(
            {
                "status_code": reply.status,
                "operation_id": str(operation.get("operation_id", "")),
                "response": reply.raw().decode(),
            }
        )
        if number % 100 == 0:
            box.store.commit()
            await asyncio.sleep(0)
            if table.get(batch["id"]) is None:
                return  # deleted meanwhile
    now = box.clock.now()
    batch |= {"status": "finished", "completed_at": now}
    table.save(batch["id"], batch)
    box.store.put_body(f"results:{batch['id']}", {"results": results})
    box.store.put_body(f"batch:{batch['id']}", {})
    form = {f"data[{k}]": v for k, v in batch.items() if k != "completed_at"}
    form |= {"data[completed_at]": iso(now), "data[submitted_at]": iso(batch["submitted_at"])}
    box.poster.batch_done(urlencode({"type": "batch_operation_completed", "fired_at": iso(now)} | form).encode(), now)
    box.store.commit()


async def _operation(api: "MarketingApi", spec: "SpecCheck | None", operation: Doc) -> Reply:
    parts = urlsplit(str(operation["path"]))
    query = dict(parse_qsl(parts.query)) | {str(k): _text(v) for k, v in (operation.get("params") or {}).items()}
    body: Any = operation.get("body")
    raw = body.encode() if isinstance(body, str) else b"" if body is None else orjson.dumps(body)
    path = "/" + parts.path.lstrip("/").removeprefix("3.0/")
    if path.split("/")[1] == "batches":
        return Problem(400, "Bad Request", "Batches cannot hold batches.").reply(api.box.instance())
    reply = await api.run(operation["method"], path, query, raw)
    if spec is not None:
        spec.exchange(
            "marketing", operation["method"], path, list(query.items()), raw, Answered(reply.status, reply.raw(), reply.content_type)
        )
    return reply


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def results_archive(box: "Sandbox", batch_id: str) -> bytes | None:
    """Return the gzipped tar of a finished batch, or None when there is none (any more)."""
    batch = box.state.table("batch").get(batch_id)
    if batch is None or batch["completed_at"] is None or box.clock.now() - batch["completed_at"] > KEPT_DAYS * 86400:
        return None
    results = box.store.body(f"results:{batch_id}").get("results", [])
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for number in range(0, max(len(results), 1), RESULT_FILE):
            content = orjson.dumps(results[number : number + RESULT_FILE])
            entry = tarfile.TarInfo(f"{batch_id}/{number // RESULT_FILE}.json")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()

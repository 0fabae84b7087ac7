"""Batch jobs: in the background, finished is not success, results as a gzipped tar."""

import io
import json
import tarfile
from typing import Any

from tests.sandbox.kit import LIST, Receiver, Speaker


def put(number: int, email: str) -> dict[str, Any]:
    body = json.dumps({"email_address": email, "status_if_new": "subscribed"})
    return {"method": "PUT", "path": f"/lists/sandbox01/members/{email}", "operation_id": f"m-{number}", "body": body}


def test_a_batch_of_puts_keeps_consent_and_tells_each_result(box: Speaker) -> None:
    box.member("gone@example.org", status="unsubscribed")
    operations = [put(1, "ann@example.org"), put(2, "gone@example.org"), put(3, "bad@example.invalid")]
    batch = box.ok("POST", "/batches", {"operations": operations})
    assert batch["status"] == "pending"
    box.control("POST", "/flush")
    done = box.ok("GET", f"/batches/{batch['id']}")
    assert (done["status"], done["finished_operations"], done["errored_operations"]) == ("finished", 3, 1)
    packed = box.http.get(done["response_body_url"]).content
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as archive:
        member = archive.extractfile(archive.getnames()[0])
        assert member is not None
        results = {one["operation_id"]: one for one in json.loads(member.read())}
    assert [results[f"m-{n}"]["status_code"] for n in (1, 2, 3)] == [200, 200, 400]
    assert json.loads(results["m-2"]["response"])["status"] == "unsubscribed"
    assert json.loads(results["m-3"]["response"])["title"] == "Invalid Resource"
    box.advance(seconds=601)
    assert box.http.get(done["response_body_url"]).status_code == 403
    assert box.http.get(box.ok("GET", f"/batches/{batch['id']}")["response_body_url"]).status_code == 200


def test_a_batch_runs_by_itself_and_tells_its_webhook(box: Speaker, receiver: Receiver) -> None:
    box.ok("POST", "/batch-webhooks", {"url": receiver.url})
    batch = box.ok("POST", "/batches", {"operations": [{"method": "GET", "path": "/ping"}]})
    box.control("POST", "/flush")
    assert receiver.got[-1].form["data[id]"] == batch["id"]
    assert receiver.got[-1].form["data[status]"] == "finished"
    assert box.ok("GET", "/batches")["total_items"] == 1
    assert box.call("DELETE", f"/batches/{batch['id']}").status_code == 204


def test_a_batch_needs_operations_with_method_and_path(box: Speaker) -> None:
    for operations in ([], [{"method": "BREW", "path": "/x"}], [{"method": "GET"}]):
        assert box.call("POST", "/batches", {"operations": operations}).status_code == 400
    assert box.ok("GET", f"{LIST}/members")["total_items"] == 0

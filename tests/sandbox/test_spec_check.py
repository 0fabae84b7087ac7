"""The published specs as a judge of the sandbox's own traffic."""

import os
from pathlib import Path

import pytest

from sandbox.spec_check import SpecCheck, converted
from tests.sandbox.kit import LIST, Speaker

FOLDER = os.environ.get("MAILCHIMP_SPECS", "")
needs_specs = pytest.mark.skipif(not FOLDER, reason="MAILCHIMP_SPECS does not name a folder with the published specs")


@needs_specs
def test_every_exchange_is_checked_and_fits(box: Speaker) -> None:
    made = box.member("ann@example.org")
    box.ok("GET", f"{LIST}/members/{made['id']}")
    box.send_mail("ann@example.org")
    found = box.control("GET", "/spec")
    assert found["checked"] == {"marketing": 2, "transactional": 1}
    assert found["violations"] == []


@needs_specs
def test_the_operations_of_a_batch_are_checked_though_time_is_moved_by_hand(box: Speaker) -> None:
    box.ok("POST", "/batches", {"operations": [{"method": "GET", "path": f"{LIST}/members"}]})
    box.control("POST", "/clock", {"advance_seconds": 60})
    assert box.control("GET", "/spec")["checked"] == {"marketing": 2}


@needs_specs
def test_what_does_not_fit_is_found() -> None:
    check = SpecCheck(Path(FOLDER))
    scope = {"method": "POST", "path": "/3.0/lists/abc", "query_string": b""}
    check.check("marketing", scope, b'{"members": 5}', 200, b'{"total_created": "many"}', "application/json")
    send = {"method": "POST", "path": "/api/1.0/messages/send.json", "query_string": b""}
    check.check("transactional", send, b'{"message": {}}', 200, b'[{"status": "lost"}]', "application/json")
    check.check("transactional", send, b"{}", 500, b'{"status": "error"}', "application/json")
    found = {(v.product, v.side, v.where) for v in check.violations}
    assert ("marketing", "request", "members") in found
    assert ("marketing", "response", "total_created") in found
    assert ("transactional", "request", "") in found  # no key
    assert ("transactional", "response", "*.status") in found
    assert ("transactional", "response", "") in found  # an error without its name


@needs_specs
def test_a_path_that_the_spec_does_not_know_is_found_unless_it_is_answered_with_404() -> None:
    check = SpecCheck(Path(FOLDER))
    scope = {"method": "GET", "path": "/3.0/biscuits", "query_string": b""}
    check.check("marketing", scope, b"", 404, b"{}", "application/json")
    assert check.violations == []
    check.check("marketing", scope, b"", 200, b"{}", "application/json")
    assert len(check.violations) == 2


def test_swagger_2_becomes_openapi_3() -> None:
    body = {"type": "object", "properties": {"key": {"type": "string", "required": True}}, "required": ["key"]}
    operation = {
        "parameters": [{"in": "body", "name": "body", "schema": body}],
        "responses": {"200": {"schema": {"$ref": "#/definitions/X"}}},
    }
    spec = {"info": {"title": "t", "version": "1"}, "paths": {"/a": {"post": operation}}, "definitions": {"X": {"type": "object"}}}
    found = converted(spec)["paths"]["/a"]["post"]
    assert found["requestBody"]["content"]["application/json"]["schema"] == {
        "type": "object", "properties": {"key": {"type": "string"}}, "required": ["key"],
    }  # fmt: skip
    assert found["responses"]["200"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/X"}


def test_a_folder_without_specs_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="MAILCHIMP_SPECS"):
        SpecCheck(tmp_path)

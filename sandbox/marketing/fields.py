"""Merge field values as Mailchimp accepts them, and the operations on merge fields themselves."""

import re
from typing import TYPE_CHECKING, Any

from sandbox.store import Doc
from sandbox.wire import Call, Problem, Reply, invalid, not_found, select

if TYPE_CHECKING:
    from sandbox.box import Sandbox

MAX_BYTES = 255
TYPES = ("text", "number", "address", "phone", "date", "url", "imageurl", "radio", "dropdown", "birthday", "zip")
MAX_FIELDS = 30
_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)")
_BIRTHDAY = re.compile(r"\d\d/\d\d")


def clean_merge_fields(box: "Sandbox", list_id: str, given: Any, *, new: bool) -> Doc:
    """Return the values to store. Raises Problem with one entry per bad field; `new` asks for required ones."""
    fields = box.merge_fields(list_id)
    values = given if isinstance(given, dict) else {}
    upper = {str(name).upper(): value for name, value in values.items()}
    errors: list[Doc] = []
    kept: Doc = {}
    for field in fields:
        tag = field["tag"]
        if tag not in upper:
            if new and field["required"]:
                errors.append({"field": tag, "message": "Please enter a value"})
            continue
        try:
            kept[tag] = _clean(field, upper[tag])
        except ValueError as error:
            errors.append({"field": tag, "message": str(error)})
    if errors:
        detail = "Your merge fields were invalid."
        raise Problem(400, "Invalid Resource", detail, errors)
    return kept


def _clean(field: Doc, value: Any) -> Any:
    kind = field["type"]
    if value is None or value == "":
        return ""
    if kind in ("number", "address"):
        return _number(value) if kind == "number" else _address(value)
    text = str(value)
    if kind == "date" and not _DATE.match(text):
        raise ValueError("Please enter a valid date")
    if kind == "birthday" and not _BIRTHDAY.fullmatch(text):
        raise ValueError("Please enter a month (01-12) and a day (01-31)")
    if kind in ("radio", "dropdown") and value not in field["options"].get("choices", []):
        raise ValueError("Value must be one of the choices")
    return cut(text)


def _number(value: Any) -> float | int:
    try:
        return float(value) if "." in str(value) else int(value)
    except (TypeError, ValueError):
        raise ValueError("Please enter a number") from None


def _address(value: Any) -> Any:
    if isinstance(value, dict) and not all(value.get(part) for part in ("addr1", "city", "state", "zip")):
        raise ValueError("Please enter a complete address")
    return value


def cut(text: str) -> str:
    """Return at most 255 bytes of text: Mailchimp cuts silently."""
    if len(text) <= MAX_BYTES // 4:
        return text
    return text.encode("utf-8", "replace")[:MAX_BYTES].decode("utf-8", "ignore")


def _list(call: Call) -> str:
    list_id = call.args["list_id"]
    if call.box.state.audiences.get(list_id) is None:
        raise not_found()
    return list_id


async def list_fields(call: Call) -> Reply:
    """GET /lists/{list_id}/merge-fields."""
    list_id = _list(call)
    found = call.box.merge_fields(list_id)
    if call.query.get("type"):
        found = [doc for doc in found if doc["type"] == call.query["type"]]
    if "required" in call.query:
        found = [doc for doc in found if doc["required"] == call.flag("required")]
    offset, count = call.page()
    body = {"merge_fields": found[offset : offset + count], "list_id": list_id, "total_items": len(found)}
    return Reply(select(body, call.query))


async def add_field(call: Call) -> Reply:
    """POST /lists/{list_id}/merge-fields."""
    list_id = _list(call)
    doc = call.doc()
    for name in ("name", "type"):
        if not doc.get(name):
            raise invalid(name, "This value should not be blank.")
    if doc["type"] not in TYPES:
        raise invalid("type", "Value must be a known merge field type.")
    existing = call.box.merge_fields(list_id)
    tag = str(doc.get("tag") or f"MMERGE{len(existing) + 1}").upper()
    if not re.fullmatch(r"[A-Z0-9_]{1,10}", tag):
        raise invalid("tag", "Merge tags may be up to 10 characters: A-Z, 0-9 and underscore.")
    if tag in ("EMAIL", "INTERESTS") or any(field["tag"] == tag for field in existing):
        raise Problem(400, "Invalid Resource", f'A Merge Field with the tag "{tag}" already exists for this list.')
    if len(existing) >= MAX_FIELDS:
        raise Problem(400, "Invalid Resource", "This list has the maximum number of merge fields.")
    return Reply(call.box.add_merge_field(list_id, doc | {"tag": tag}))


def _field(call: Call) -> tuple[str, Doc]:
    key = f"{_list(call)}/{call.args['merge_id']}"
    doc = call.box.state.table("merge_field").get(key)
    if doc is None:
        raise not_found()
    return key, doc


async def get_field(call: Call) -> Reply:
    """GET /lists/{list_id}/merge-fields/{merge_id}."""
    return Reply(select(_field(call)[1], call.query))


async def change_field(call: Call) -> Reply:
    """PATCH /lists/{list_id}/merge-fields/{merge_id}."""
    key, doc = _field(call)
    allowed = ("name", "tag", "required", "default_value", "public", "display_order", "options", "help_text")
    doc |= {name: value for name, value in call.doc().items() if name in allowed}
    call.box.state.touch(f"merge:{doc['list_id']}")
    return Reply(call.box.state.table("merge_field").save(key, doc))


async def delete_field(call: Call) -> Reply:
    """DELETE /lists/{list_id}/merge-fields/{merge_id}."""
    key, doc = _field(call)
    call.box.state.table("merge_field").drop(key)
    call.box.state.touch(f"merge:{doc['list_id']}")
    return Reply(status=204)

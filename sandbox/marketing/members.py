"""Members of an audience: read, add, upsert, change, archive, erase, and the bulk call."""

from typing import TYPE_CHECKING, Any

from sandbox.ids import member_hash
from sandbox.marketing.changes import add_member, change_member
from sandbox.marketing.find import audience_of, find_member, member_of_call
from sandbox.marketing.show import member_doc
from sandbox.marketing.tags import give_tag, set_tags
from sandbox.payloads import audience_member
from sandbox.records import Audience, Member
from sandbox.store import Doc
from sandbox.times import parse_since
from sandbox.wire import Call, Problem, Reply, invalid, select

if TYPE_CHECKING:
    from sandbox.box import Sandbox

MAX_BULK = 500


async def get_member(call: Call) -> Reply:
    """GET /lists/{list_id}/members/{subscriber_hash}."""
    return Reply(select(member_doc(call.box, member_of_call(call)), call.query))


async def put_member(call: Call) -> Reply:
    """PUT /lists/{list_id}/members/{subscriber_hash}: add with status_if_new, or change."""
    audience, body, now = audience_of(call), call.doc(), call.box.clock.now()
    member = find_member(call.box, audience.id, call.args["subscriber_hash"])
    if member is not None:
        return Reply(member_doc(call.box, change_member(call.box, audience, member, body, now)))
    status = body.get("status_if_new") or body.get("status")
    if not status:
        raise invalid("status_if_new", "This value should not be blank.")
    if not body.get("email_address") and "@" in call.args["subscriber_hash"]:
        body = body | {"email_address": call.args["subscriber_hash"]}
    skip = call.flag("skip_merge_validation")
    return Reply(member_doc(call.box, add_member(call.box, audience, body, status, now, skip_required=skip)))


async def patch_member(call: Call) -> Reply:
    """PATCH /lists/{list_id}/members/{subscriber_hash}."""
    member = member_of_call(call)
    change_member(call.box, audience_of(call), member, call.doc(), call.box.clock.now())
    return Reply(member_doc(call.box, member))


async def post_member(call: Call) -> Reply:
    """POST /lists/{list_id}/members: add only."""
    audience, body, now = audience_of(call), call.doc(), call.box.clock.now()
    email = str(body.get("email_address", ""))
    if find_member(call.box, audience.id, member_hash(email)) is not None:
        detail = f"{email} is already a list member. Use PUT to insert or update list members."
        raise Problem(400, "Member Exists", detail)
    skip = call.flag("skip_merge_validation")
    member = add_member(call.box, audience, body, body.get("status"), now, skip_required=skip)
    for name in body.get("tags") or ():
        give_tag(call.box, member, str(name), now)
    return Reply(member_doc(call.box, member))


async def archive_member(call: Call) -> Reply:
    """DELETE /lists/{list_id}/members/{subscriber_hash}: archive, the data stays."""
    member, now = member_of_call(call), call.box.clock.now()
    if member.status == "archived":
        raise Problem(405, "Method Not Allowed", "This contact is already archived.")
    data = {"action": "delete", "reason": "manual"} | audience_member(call.box, member)
    member.status, member.last_changed = "archived", now
    call.box.state.save_member(member)
    call.box.poster.audience(member.list_id, "unsubscribe", "api", data, now)
    call.box.ledger.write(now, "member", list_id=member.list_id, email=member.email, status="archived", reason="by api")
    return Reply(status=204)


async def erase_member(call: Call) -> Reply:
    """POST .../actions/delete-permanent: the person is gone and may not be imported again."""
    member, now = member_of_call(call), call.box.clock.now()
    call.box.state.drop_member(member)
    call.box.state.forgotten.save(f"{member.list_id}/{member.id}", {"at": now})
    call.box.ledger.write(now, "forgotten", list_id=member.list_id, member=member.id)
    return Reply(status=204)


async def bulk_members(call: Call) -> Reply:
    """POST /lists/{list_id}: add or change up to 500 members; 200 even when some fail."""
    audience, body, now = audience_of(call), call.doc(), call.box.clock.now()
    given = body.get("members")
    if not isinstance(given, list):
        raise invalid("members", "This value should not be null.")
    if len(given) > MAX_BULK:
        raise invalid("members", "This collection should contain 500 elements or less.")
    update, sync_tags = bool(body.get("update_existing")), bool(body.get("sync_tags"))
    skip = call.flag("skip_merge_validation")
    created: list[Member] = []
    updated: list[Member] = []
    errors: list[Doc] = []
    seen: set[str] = set()
    for entry in given:
        try:
            member, is_new = _bulk_one(call.box, audience, entry, now, seen, update=update, skip=skip)
        except Problem as problem:
            errors.append(_bulk_error(entry, problem))
            continue
        if "tags" in entry:
            set_tags(call.box, member, [str(name) for name in entry["tags"]], now, replace=sync_tags)
        (created if is_new else updated).append(member)
    tags = [field["tag"] for field in call.box.merge_fields(audience.id)]
    return Reply(
        {
            "new_members": [member_doc(call.box, member, tags) for member in created],
            "updated_members": [member_doc(call.box, member, tags) for member in updated],
            "errors": errors,
            "total_created": len(created),
            "total_updated": len(updated),
            "error_count": len(errors),
        }
    )


def _bulk_one(
    box: "Sandbox", audience: Audience, entry: Any, now: float, seen: set[str], *, update: bool, skip: bool
) -> tuple[Member, bool]:
    if not isinstance(entry, dict):
        raise invalid("members", "Schema describes object")
    email = str(entry.get("email_address", ""))
    key = member_hash(email)
    if key in seen:
        raise Problem(400, "Invalid Resource", f"{email} appears more than once in this batch.")
    seen.add(key)
    member = box.state.list_members.get(audience.id, {}).get(key)
    if member is None:
        return add_member(box, audience, entry, entry.get("status"), now, skip_required=skip), True
    if not update:
        raise Problem(
            400,
            "Member Exists",
            f"{email} is already a list member, do you want to update? please provide update_existing:true in the request body",
        )
    changed = {name: value for name, value in entry.items() if name != "email_address"}
    return change_member(box, audience, member, changed, now), False


def _bulk_error(entry: Any, problem: Problem) -> Doc:
    first = problem.errors[0] if problem.errors else {"field": "", "message": ""}
    exists = problem.title == "Member Exists"
    return {
        "email_address": str(entry.get("email_address", "")) if isinstance(entry, dict) else "",
        "error": problem.detail,
        "error_code": "ERROR_CONTACT_EXISTS" if exists else "ERROR_GENERIC",
        "field": first["field"],
        "field_message": first["message"],
    }


def _instants(call: Call, *names: str) -> dict[str, float]:
    found = {}
    for name in names:
        if call.query.get(name):
            try:
                found[name] = parse_since(call.query[name])
            except ValueError as error:
                raise invalid(name, "This value is not a valid datetime.") from error
    return found


def _filtered(call: Call, list_id: str) -> list[Member]:
    times = _instants(
        call, "since_last_changed", "before_last_changed", "unsubscribed_since", "since_timestamp_opt", "before_timestamp_opt"
    )
    status = call.query.get("status", "")
    if "unsubscribed_since" in times and status != "unsubscribed":
        raise Problem(400, "Bad Request", "The unsubscribed_since parameter can only be used with status=unsubscribed.")
    changed_after = max(times.get("since_last_changed", 0.0), times.get("unsubscribed_since", 0.0))
    changed_before = times.get("before_last_changed", 1e12)
    opted_after, opted_before = times.get("since_timestamp_opt"), times.get("before_timestamp_opt")
    unique, vip = call.query.get("unique_email_id"), call.flag("vip_only")
    found = [
        member
        for member in call.box.state.list_members.get(list_id, {}).values()
        if (member.status == status if status else member.status != "archived")
        and int(member.last_changed) >= changed_after
        and member.last_changed < changed_before
        and (opted_after is None or (member.timestamp_opt or 0) >= opted_after)
        and (opted_before is None or (member.timestamp_opt or 0) < opted_before)
        and (not unique or member.unique_email_id == unique)
        and (not vip or member.vip)
    ]
    field = call.query.get("sort_field")
    if field in ("last_changed", "timestamp_opt", "timestamp_signup"):
        found.sort(key=lambda m: getattr(m, field) or 0.0, reverse=call.query.get("sort_dir", "ASC").upper() == "DESC")
    return found


async def list_members(call: Call) -> Reply:
    """GET /lists/{list_id}/members, with status, since_last_changed, unsubscribed_since and paging."""
    audience = audience_of(call)
    offset, count = call.page()
    filters = tuple(sorted((k, v) for k, v in call.query.items() if k not in ("offset", "count", "fields", "exclude_fields")))
    key = (audience.id, call.box.state.versions.get(audience.id, 0), filters)
    found: list[Member] | None = call.box.state.cached("members", key)
    if found is None:
        found = call.box.state.keep("members", key, _filtered(call, audience.id))
    tags = [field["tag"] for field in call.box.merge_fields(audience.id)]
    page = [member_doc(call.box, member, tags) for member in (found or [])[offset : offset + count]]
    return Reply(select({"members": page, "list_id": audience.id, "total_items": len(found or [])}, call.query))


async def search_members(call: Call) -> Reply:
    """GET /search-members: by address or name."""
    wanted = call.query.get("query", "").strip().lower()
    if not wanted:
        raise invalid("query", "This value should not be blank.")
    list_id = call.query.get("list_id")
    rows = [m for m in call.box.state.members.rows.values() if (not list_id or m.list_id == list_id) and m.status != "archived"]
    exact = [m for m in rows if m.email.lower() == wanted]
    full = [m for m in rows if wanted in f"{m.email} {m.merge.get('FNAME', '')} {m.merge.get('LNAME', '')}".lower()]
    body = {
        name: {"members": [member_doc(call.box, m) for m in found[:30]], "total_items": len(found)}
        for name, found in (("exact_matches", exact), ("full_search", full))
    }
    return Reply(select(body, call.query))

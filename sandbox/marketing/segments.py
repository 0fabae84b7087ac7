"""Segments of an audience: static ones (the same thing as tags) and saved conditions."""

from typing import TYPE_CHECKING, Any

from sandbox.ids import member_hash
from sandbox.marketing.conditions import check_options, segment_people
from sandbox.marketing.find import audience_of, find_member
from sandbox.marketing.show import member_doc, segment_doc
from sandbox.marketing.tags import take_tag
from sandbox.records import Member, Segment
from sandbox.store import Doc
from sandbox.times import parse_since
from sandbox.wire import Call, Problem, Reply, invalid, not_found, select

if TYPE_CHECKING:
    from sandbox.box import Sandbox

MAX_BATCH = 500


def _counted(box: "Sandbox", segment: Segment) -> Doc:
    return segment_doc(segment, sum(m.status == "subscribed" for m in segment_people(box, segment)))


def _segment(call: Call) -> Segment:
    segment = call.box.state.segments.get(call.args["segment_id"])
    if segment is None or segment.list_id != audience_of(call).id:
        raise not_found()
    return segment


def _put_in(box: "Sandbox", segment: Segment, emails: list[Any], now: float) -> tuple[list[Member], list[str]]:
    added, unknown = [], []
    for email in emails:
        member = find_member(box, segment.list_id, member_hash(str(email)))
        if member is None or member.status == "archived":
            unknown.append(str(email))
        elif str(segment.id) not in member.tags:
            member.tags[str(segment.id)] = now
            member.last_changed = now
            box.state.save_member(member)
            added.append(member)
    return added, unknown


async def list_segments(call: Call) -> Reply:
    """GET /lists/{list_id}/segments, with type, since_* and paging."""
    list_id = audience_of(call).id
    found = [s for s in call.box.state.segments.rows.values() if s.list_id == list_id]
    if call.query.get("type"):
        found = [s for s in found if s.type == call.query["type"]]
    for name, field in (("since_created_at", "created_at"), ("since_updated_at", "updated_at")):
        if call.query.get(name):
            since = parse_since(call.query[name])
            found = [s for s in found if getattr(s, field) >= since]
    offset, count = call.page()
    page = [_counted(call.box, s) for s in found[offset : offset + count]]
    return Reply(select({"segments": page, "list_id": list_id, "total_items": len(found)}, call.query))


async def add_segment(call: Call) -> Reply:
    """POST /lists/{list_id}/segments: `static_segment` (may be empty) or `options`."""
    list_id, body, now = audience_of(call).id, call.doc(), call.box.clock.now()
    name = str(body.get("name", "")).strip()
    if not name:
        raise invalid("name", "This value should not be blank.")
    if len(name.encode()) > 100:
        raise invalid("name", "This value is too long. It should have 100 characters or less.")
    if (list_id, name) in call.box.state.segment_names:
        raise Problem(400, "Bad Request", f'Sorry, that tag already exists: "{name}".')
    static = body.get("static_segment")
    options = None if static is not None else check_options(body.get("options"))
    number = call.box.store.next_number("segment", 10001)
    segment = Segment(number, list_id, name, "static" if static is not None else "saved", now, now, options)
    call.box.state.save_segment(segment)
    _put_in(call.box, segment, list(static or ()), now)
    return Reply(_counted(call.box, segment))


async def get_segment(call: Call) -> Reply:
    """GET /lists/{list_id}/segments/{segment_id}."""
    return Reply(select(_counted(call.box, _segment(call)), call.query))


async def change_segment(call: Call) -> Reply:
    """PATCH /lists/{list_id}/segments/{segment_id}: rename; `static_segment` resets the members."""
    segment, body, now = _segment(call), call.doc(), call.box.clock.now()
    if body.get("name"):
        segment.name = str(body["name"])
    if "options" in body and segment.type == "saved":
        segment.options = check_options(body["options"])
    if isinstance(body.get("static_segment"), list) and segment.type == "static":
        keep = {member_hash(str(email)) for email in body["static_segment"]}
        for member in segment_people(call.box, segment):
            if member.id not in keep:
                take_tag(call.box, member, str(segment.id), now)
        _put_in(call.box, segment, body["static_segment"], now)
    segment.updated_at = now
    call.box.state.save_segment(segment)
    return Reply(_counted(call.box, segment))


async def delete_segment(call: Call) -> Reply:
    """DELETE /lists/{list_id}/segments/{segment_id}: the tag comes off everybody."""
    segment, now = _segment(call), call.box.clock.now()
    for key in list(call.box.state.segment_members.get(str(segment.id), {})):
        member = call.box.state.list_members[segment.list_id].get(key)
        if member is not None:
            take_tag(call.box, member, str(segment.id), now)
    call.box.state.segments.drop(str(segment.id))
    call.box.state.segment_names.pop((segment.list_id, segment.name), None)
    call.box.state.segment_members.pop(str(segment.id), None)
    call.box.state.touch(segment.list_id)
    return Reply(status=204)


async def batch_segment(call: Call) -> Reply:
    """POST /lists/{list_id}/segments/{segment_id}: up to 500 to add and 500 to remove."""
    segment, body, now = _segment(call), call.doc(), call.box.clock.now()
    if segment.type != "static":
        raise Problem(400, "Bad Request", "Members can be added to static segments only.")
    add, remove = list(body.get("members_to_add") or ()), list(body.get("members_to_remove") or ())
    for name, given in (("members_to_add", add), ("members_to_remove", remove)):
        if len(given) > MAX_BATCH:
            raise invalid(name, "This collection should contain 500 elements or less.")
    added, unknown = _put_in(call.box, segment, add, now)
    removed = []
    for email in remove:
        member = find_member(call.box, segment.list_id, member_hash(str(email)))
        if member is not None and take_tag(call.box, member, str(segment.id), now):
            removed.append(member)
    errors = [{"email_addresses": unknown, "error": "Email addresses are not subscribed to the list."}] if unknown else []
    tags = [field["tag"] for field in call.box.merge_fields(segment.list_id)]
    return Reply(
        {
            "members_added": [member_doc(call.box, m, tags) for m in added],
            "members_removed": [member_doc(call.box, m, tags) for m in removed],
            "errors": errors,
            "total_added": len(added),
            "total_removed": len(removed),
            "error_count": len(errors),
        }
    )


async def segment_members(call: Call) -> Reply:
    """GET .../segments/{segment_id}/members: subscribed ones, others on request."""
    segment = _segment(call)
    shown = {"subscribed", "pending"} | {s for s in ("cleaned", "transactional", "unsubscribed") if call.flag(f"include_{s}")}
    found = [m for m in segment_people(call.box, segment) if m.status in shown]
    offset, count = call.page()
    page = [member_doc(call.box, m) for m in found[offset : offset + count]]
    return Reply(select({"members": page, "total_items": len(found)}, call.query))


async def add_segment_member(call: Call) -> Reply:
    """POST .../segments/{segment_id}/members: one address."""
    segment, email = _segment(call), str(call.doc().get("email_address", ""))
    member = find_member(call.box, segment.list_id, member_hash(email))
    if member is None:
        raise not_found()
    _put_in(call.box, segment, [email], call.box.clock.now())
    return Reply(member_doc(call.box, member))


async def drop_segment_member(call: Call) -> Reply:
    """DELETE .../segments/{segment_id}/members/{subscriber_hash}."""
    segment = _segment(call)
    member = find_member(call.box, segment.list_id, call.args["subscriber_hash"])
    if member is None or not take_tag(call.box, member, str(segment.id), call.box.clock.now()):
        raise not_found()
    return Reply(status=204)

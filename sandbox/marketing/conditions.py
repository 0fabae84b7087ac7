"""Who a segment holds: static membership and the conditions that communities use."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sandbox.content import as_text
from sandbox.records import Member, Segment
from sandbox.store import Doc
from sandbox.times import iso
from sandbox.wire import Problem, invalid

if TYPE_CHECKING:
    from sandbox.box import Sandbox

MAX_CONDITIONS = 10
_TEXT = ("TextMerge", "EmailAddress", "SelectMerge", "DateMerge", "BirthdayMerge", "AddressMerge", "Language", "SignupSource")
_TESTS: dict[str, Callable[[str, str], bool]] = {
    "is": lambda a, b: a == b,
    "not": lambda a, b: a != b,
    "contains": lambda a, b: b in a,
    "notcontain": lambda a, b: b not in a,
    "starts": lambda a, b: a.startswith(b),
    "ends": lambda a, b: a.endswith(b),
    "greater": lambda a, b: a > b,
    "less": lambda a, b: a < b,
    "blank": lambda a, _: a == "",
    "blank_not": lambda a, _: a != "",
    "source_is": lambda a, b: a == b,
    "source_not": lambda a, b: a != b,
}


def check_options(options: Any) -> Doc:
    """Return segment options that can be evaluated. Raises Problem."""
    if not isinstance(options, dict) or options.get("match") not in ("any", "all"):
        raise invalid("options.match", "Value must be one of 'any' or 'all'.")
    conditions = options.get("conditions")
    if not isinstance(conditions, list) or not conditions:
        raise invalid("options.conditions", "A segment needs at least one condition.")
    if len(conditions) > MAX_CONDITIONS:
        raise invalid("options.conditions", "A segment may have at most 10 conditions.")
    for condition in conditions:
        _evaluator(condition)
    return options


def _evaluator(condition: Any) -> Callable[[Member], bool]:
    if not isinstance(condition, dict):
        raise invalid("conditions", "Schema describes object.")
    kind, op, value = condition.get("condition_type", "TextMerge"), condition.get("op"), condition.get("value")
    if kind == "StaticSegment" and op in ("static_is", "static_not"):
        key, wanted = str(value), op == "static_is"
        return lambda m: (key in m.tags) == wanted
    if kind == "Interests":
        return _interests(str(op), [str(one) for one in value or ()])
    if kind == "MemberRating" and op in _TESTS:
        return lambda _: _TESTS[op]("2", str(value))
    if kind == "VIP" and op in ("member", "notmember"):
        return lambda m: m.vip == (op == "member")
    if kind == "Date" and op in ("greater", "less", "is", "not"):
        return lambda m: _TESTS[op](iso(m.timestamp_opt if condition["field"] == "timestamp_opt" else m.last_changed), str(value))
    if kind in _TEXT and op in _TESTS:
        field, right = str(condition.get("field", "")), as_text(value).lower()
        return lambda m: _TESTS[op](_value(m, kind, field), right)
    raise invalid("conditions", f"This condition is not supported: {kind} {op}.")


def _interests(op: str, wanted: list[str]) -> Callable[[Member], bool]:
    if op == "interestcontains":
        return lambda m: any(m.interests.get(key) for key in wanted)
    if op == "interestcontainsall":
        return lambda m: all(m.interests.get(key) for key in wanted)
    if op == "interestnotcontains":
        return lambda m: not any(m.interests.get(key) for key in wanted)
    raise invalid("conditions", f"This condition is not supported: Interests {op}.")


def _value(member: Member, kind: str, field: str) -> str:
    if kind == "EmailAddress" or field in ("merge0", "EMAIL"):
        return member.email.lower()
    if kind == "Language":
        return member.language.lower()
    if kind == "SignupSource":
        return member.source.lower()
    return as_text(member.merge.get(field.upper(), "")).lower()


def matching(box: "Sandbox", list_id: str, options: Doc) -> list[Member]:
    """Return the members, whatever their status, that meet the options."""
    tests = [_evaluator(condition) for condition in options["conditions"]]
    every = all if options["match"] == "all" else any
    return [m for m in box.state.list_members.get(list_id, {}).values() if every(test(m) for test in tests)]


def segment_people(box: "Sandbox", segment: Segment) -> list[Member]:
    """Return the members of a segment, archived ones left out."""
    if segment.type == "static":
        people = box.state.list_members.get(segment.list_id, {})
        found = [people[key] for key in box.state.segment_members.get(str(segment.id), {}) if key in people]
    else:
        found = matching(box, segment.list_id, segment.options or {"match": "all", "conditions": []})
    return [member for member in found if member.status != "archived"]


def campaign_people(box: "Sandbox", recipients: Doc) -> list[Member]:
    """Return the subscribed members that a campaign with these recipients goes to. Raises Problem for a bad segment."""
    list_id = str(recipients.get("list_id", ""))
    options = recipients.get("segment_opts") or {}
    saved = options.get("saved_segment_id")
    if saved:
        segment = box.state.segments.get(str(saved))
        if segment is None or segment.list_id != list_id:
            raise Problem(400, "Invalid Resource", "The saved segment does not exist in this list.")
        people = segment_people(box, segment)
    elif options.get("conditions"):
        people = matching(box, list_id, check_options(options))
    else:
        people = list(box.state.list_members.get(list_id, {}).values())
    return [member for member in people if member.status == "subscribed"]

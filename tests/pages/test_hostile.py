"""Whatever is posted to the join page: no 5xx, no second mail, nothing an outsider could see. JOIN_POSTS sets how many."""

import os
from urllib.parse import quote_from_bytes, urlencode

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import func, select

from service.messages.models import Delivery
from service.welcome.joining import ask_confirmations
from tests.pages.conftest import ANSWERS, Community

POSTS = int(os.environ.get("JOIN_POSTS", "120"))
AT_EASE = settings(
    max_examples=POSTS,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
NASTY = st.sampled_from(
    [
        "\x00", "{{ 7*7 }}", "*|FNAME|*", "{% for x in () %}", "%s%n%(x)s", "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>',
        "a\r\nBcc: x@y.z", "\u202e\u200b", "\ufffd" * 300, "é" * 1001, "'; DROP TABLE member; --", "=HYPERLINK(1)", "\u2028", "𝒜" * 70,
        "a@b@c", "mailto:x@y.org", "x@[127.0.0.1]", "x@xn--a.org", "x" * 65 + "@y.org", "ſ@y.org", "x@y.org\x00", "@", " ", "%00", "%ff",
    ]
)  # fmt: skip
TEXT = st.one_of(NASTY, st.text(max_size=80), st.sampled_from(list(ANSWERS.values())))
NAMES = st.sampled_from(
    [*ANSWERS, "leadership_roles", "interests", "more_interests", "language", "allows_measuring", "contact_code", "keep"]
)
FIELDS = st.lists(st.tuples(NAMES | st.text(max_size=8), TEXT), max_size=12)
TYPES = st.sampled_from(
    [
        "application/x-www-form-urlencoded", "application/x-www-form-urlencoded; charset=utf-16", "multipart/form-data",
        "multipart/form-data; boundary=b", "multipart/form-data; boundary=b; charset=unicode_escape", "application/json", "text/plain", "",
    ]
)  # fmt: skip


@AT_EASE
@given(fields=FIELDS, valid=st.booleans(), kind=TYPES, raw=st.none() | st.binary(max_size=300))
async def test_no_post_breaks_the_join_page(
    community: Community, fields: list[tuple[str, str]], valid: bool, kind: str, raw: bytes | None
) -> None:
    given_fields = [*(ANSWERS.items() if valid else ()), *fields]
    body = urlencode(given_fields, errors="surrogatepass").encode() if raw is None else raw
    answer = await community.client.post("/join", content=body, headers={"Content-Type": kind})
    assert answer.status_code in {200, 422}
    assert "<script" not in answer.text
    assert "<img" not in answer.text


@AT_EASE
@given(
    name=st.text(max_size=20) | NASTY,
    value=st.text(max_size=60) | NASTY,
    charset=st.sampled_from(["utf-8", "unicode_escape", "utf-7", "hex", "x"]),
)
async def test_no_multipart_post_breaks_the_join_page(community: Community, name: str, value: str, charset: str) -> None:
    safe = quote_from_bytes(name.encode("utf-8", "replace"))
    part = f'--b\r\nContent-Disposition: form-data; name="{safe}"\r\n\r\n'.encode() + value.encode("utf-8", "replace") + b"\r\n--b--\r\n"
    head = {"Content-Type": f"multipart/form-data; boundary=b; charset={charset}"}
    assert (await community.client.post("/join", content=part, headers=head)).status_code == 422


@settings(AT_EASE, max_examples=max(POSTS // 4, 20))
@given(
    first_name=st.text(min_size=1, max_size=120) | NASTY, reason=st.text(max_size=1100) | NASTY, organisation=TEXT, profession=TEXT,
    interests=TEXT, machine=st.booleans(),
)  # fmt: skip
async def test_no_outsider_can_tell_known_from_unknown_and_nobody_gets_two_mails(
    community: Community, first_name: str, reason: str, organisation: str, profession: str, interests: str, machine: bool
) -> None:
    told = {"first_name": first_name, "join_reason": reason, "organisation": organisation, "profession": profession}
    answers = ANSWERS | told | {"more_interests": interests} | ({"contact_code": "x"} if machine else {})
    if not await _members_know(community):
        await community.joined()
    body = urlencode(answers, errors="replace").encode()
    head = {"Content-Type": "application/x-www-form-urlencoded"}
    known = await community.client.post("/join", content=body, headers=head)
    unknown = await community.client.post("/join", content=body.replace(b"asha%40ward", b"else%40ward"), headers=head)
    assert (known.status_code, known.text.replace("asha@ward", "else@ward")) == (
        unknown.status_code,
        unknown.text.replace("asha@ward", "else@ward"),
    )
    assert set(known.headers) == set(unknown.headers)
    await ask_confirmations(community.parts)
    async with community.parts.database.reading() as session:
        counts = (await session.exec(select(func.count()).where(Delivery.kind == "confirm_join").group_by(Delivery.email))).all()
    assert max(counts) == 1


async def _members_know(community: Community) -> bool:
    async with community.parts.database.reading() as session:
        return (await session.exec(select(Delivery.id).limit(1))).first() is not None

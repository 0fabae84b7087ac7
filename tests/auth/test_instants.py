"""Times that make no sense are refused where they come in: they would break every list they later stand in."""

from typing import Any

import pytest

from tests.api_client import Api

CONSENT = {"source": "paper form"}


@pytest.mark.parametrize(
    "instant", ["0001-01-01T00:00:00+02:00", "9999-12-31T23:59:59-02:00", "1201-05-05T10:00:00Z", "2026-07-08T08:00:00", 1e17]
)
async def test_an_instant_without_a_zone_or_from_no_time_of_ours_is_refused(api: Api, instant: Any) -> None:
    bodies: dict[str, dict[str, Any]] = {
        "keys": {"name": "a", "role": "viewer", "expires_at": instant},
        "events": {"title": "Huddle", "starts_at": instant},
        "members": {"email": "ann@ward.example.org", "consent": {**CONSENT, "at": instant}},
        "content": {"kind": "content", "title": "News", "url": "https://example.org", "published_at": instant},
    }
    for path, body in bodies.items():
        answer = await api.admin.post(path, json=body)
        assert answer.status_code == 422, f"{path}: {answer.text}"
    assert (await api.admin.get("audit", params={"since": instant})).status_code == 422
    assert (await api.admin.get("measures")).status_code == 200

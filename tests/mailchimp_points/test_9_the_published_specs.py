"""The published specs as a test. Every sandbox of the suite, in whatever process, checks every exchange and every operation of a batch,
and writes what does not fit into one report, which must be empty (`tests/specs.py`); here it is shown that it checks, and what is known
not to fit.
"""

import json
import os

import pytest

from sandbox.spec_check import MISMATCHES
from service.providers.base import Contact
from tests.mailchimp import World


@pytest.mark.skipif(not os.environ.get("MAILCHIMP_SPECS"), reason="MAILCHIMP_SPECS does not name a folder with the published specs")
async def test_every_request_and_answer_of_a_sync_is_checked_and_fits(world: World) -> None:
    before = world.sandbox.ask("GET", "/spec")["checked"]
    await world.members("asha@trust.nhs.uk")
    await world.push()
    await world.providers.audience.put(Contact("asha@trust.nhs.uk", None, merge_fields={"FNAME": "Aisha"}))
    await world.pull()
    assert world.parts.providers.mailer is not None
    await world.parts.providers.mailer.check()
    found = world.sandbox.ask("GET", "/spec")
    assert found["checked"]["marketing"] - before.get("marketing", 0) >= 4
    assert found["checked"]["transactional"] - before.get("transactional", 0) == 1
    assert found["violations"] == []


def test_known_mismatches_are_a_short_list_each_with_its_reason() -> None:
    known = json.loads(MISMATCHES.read_text())["mismatches"]
    assert 0 < len(known) <= 20
    assert all(entry["reason"].endswith(".") and len(entry["reason"]) > 30 for entry in known)

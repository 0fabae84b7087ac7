"""A short form of `make simulate`: the same community, smaller, for five weeks."""

from pathlib import Path

from bench.half_year import rehearse


async def test_some_weeks_of_a_community_go_by_without_what_must_never_happen(tmp_path: Path) -> None:
    account = await rehearse(tmp_path, members=25, weeks=2, seed=7)
    assert account.is_clean, account.told()
    assert {"newsletter", "welcome", "nudge", "reply_forward"} <= set(account.mails), account.told()
    assert account.replies > 0

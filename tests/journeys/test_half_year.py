"""A short form of `make simulate`: the same community, smaller, for some weeks, with one moment in a day."""

from pathlib import Path

from bench.half_year import rehearse


async def test_some_weeks_of_a_community_go_by_without_what_must_never_happen(tmp_path: Path) -> None:
    account = await rehearse(tmp_path, members=16, weeks=3, seed=7, workday=("10:05",))
    assert account.is_clean, account.told()
    assert {"newsletter", "welcome", "nudge"} <= set(account.mails), account.told()
    assert account.replies > 0

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import InvalidInput
from service.members.rules import (
    LeadershipRole,
    MemberStatus,
    email_key,
    fold_name,
    is_language,
    is_shared,
    is_timezone,
    mailchimp_must_hear,
    names_nobody,
    organisation_domains,
    read_address,
    role_named,
    why_not_become,
)


@pytest.mark.parametrize(
    ("written", "kept", "key"),
    [
        ("ann@trust.nhs.uk", "ann@trust.nhs.uk", "ann@trust.nhs.uk"),
        ("Ann.Lee@Trust.NHS.uk", "Ann.Lee@trust.nhs.uk", "ann.lee@trust.nhs.uk"),
        ("  ann@trust.nhs.uk \t", "ann@trust.nhs.uk", "ann@trust.nhs.uk"),
        ("\u00a0ann@trust.nhs.uk\u200b", "ann@trust.nhs.uk", "ann@trust.nhs.uk"),
        ("Ann@Bücher.example", "Ann@xn--bcher-kva.example", "ann@xn--bcher-kva.example"),
        ("ann@BÜCHER.example", "ann@xn--bcher-kva.example", "ann@xn--bcher-kva.example"),
        ("ann@xn--bcher-kva.example", "ann@xn--bcher-kva.example", "ann@xn--bcher-kva.example"),
        ("ann.lee@gmail.com", "ann.lee@gmail.com", "ann.lee@gmail.com"),
        ("ann+qi@gmail.com", "ann+qi@gmail.com", "ann+qi@gmail.com"),
        ("mailto:ann@trust.nhs.uk", "ann@trust.nhs.uk", "ann@trust.nhs.uk"),
        ("o'brien@trust.nhs.uk", "o'brien@trust.nhs.uk", "o'brien@trust.nhs.uk"),
    ],
)
def test_an_address_has_one_form_to_keep_and_one_to_compare(written: str, kept: str, key: str) -> None:
    assert read_address(written) == (kept, key)


@pytest.mark.parametrize(
    "written",
    [
        "", "   ", "ann", "ann@", "@trust.nhs.uk", "ann@localhost", "ann lee@trust.nhs.uk", "ann@trust..nhs.uk", ".ann@trust.nhs.uk",
        "ann@trust.nhs.uk\x00", "ann@-trust.nhs.uk", "ann@@trust.nhs.uk", "a" * 65 + "@trust.nhs.uk", "ann@" + "a." * 130 + "uk",
        "ann@[127.0.0.1]", '"ann lee"@trust.nhs.uk', "ann@trust.nhs.uk\r\nBcc: x@y.org", "ann@trust,nhs.uk", "Ann <ann@trust.nhs.uk>",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_with_the_mend_and_without_the_value(written: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_address(written)
    assert refused.value.problems[0].pointer == "/email"
    assert "ann" not in refused.value.detail


@given(st.one_of(st.emails(), st.text(), st.from_regex(r"[\w.+'-]{1,20}@[\w-]{1,20}(\.[\w-]{1,10}){1,3}")))
def test_folding_an_address_twice_changes_nothing_and_never_fails(text: str) -> None:
    key = email_key(text)
    assert email_key(key) == key


@given(st.emails(domains=st.from_regex(r"[a-z][a-z0-9]{0,10}(\.[a-z]{2,5}){1,2}", fullmatch=True)))
def test_letter_case_and_outer_space_make_no_other_person(address: str) -> None:
    key = email_key(address)
    assert email_key(f" {address.upper()}\u00a0") == key
    assert key.count("@") == 1
    assert "+" not in address or "+" in key
    assert address.count(".") == key.count(".")


@given(st.emails())
def test_an_address_that_can_be_kept_is_found_again_by_its_key(address: str) -> None:
    try:
        kept, key = read_address(address)
    except InvalidInput:
        return
    assert email_key(kept) == key == email_key(address)


@pytest.mark.parametrize(
    ("domain", "looked_up"),
    [
        ("bradford.nhs.uk", ("bradford.nhs.uk",)),
        ("mail.bradford.nhs.uk", ("mail.bradford.nhs.uk", "bradford.nhs.uk")),
        ("lanarkshire.scot.nhs.uk", ("lanarkshire.scot.nhs.uk",)),
        ("belfasttrust.hscni.net", ("belfasttrust.hscni.net",)),
        ("a.b.leeds.ac.uk", ("a.b.leeds.ac.uk", "b.leeds.ac.uk", "leeds.ac.uk")),
        ("health.org.au", ("health.org.au",)),
        ("hse.ie", ("hse.ie",)),
        ("nhs.net", ()),
        ("nhs.uk", ()),
        ("gmail.com", ()),
        ("yahoo.co.uk", ()),
        ("hotmail.fr", ()),
        ("mail.outlook.com", ()),
        ("co.uk", ()),
        ("uk", ()),
        ("", ()),
    ],
)
def test_a_domain_tells_the_organisation_or_nothing(domain: str, looked_up: tuple[str, ...]) -> None:
    assert organisation_domains(domain) == looked_up
    assert is_shared(domain) == (looked_up == ())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Leeds Teaching Hospitals", "  leeds  teaching hospitals "),
        ("St. Mary's Hospital", "St Mary’s hospital"),
        ("The Royal Marsden", "Royal Marsden"),
        ("Guy's & St Thomas'", "Guys and St Thomas"),
        ("Ysbyty Gwynedd (Bangor)", "Ysbyty Gwynedd, Bângor"),
    ],
)
def test_names_of_one_organisation_are_known_as_one(one: str, other: str) -> None:
    assert fold_name(one) == fold_name(other)


def test_names_of_two_organisations_stay_two() -> None:
    assert fold_name("Leeds Teaching Hospitals") != fold_name("Leeds Community Healthcare")
    assert fold_name("The") == "the"


@pytest.mark.parametrize("written", ["n/a", "N/A", "-", "none", " ", "Not applicable", "."])
def test_what_people_write_for_no_organisation_names_nobody(written: str) -> None:
    assert names_nobody(written)


MAY = {
    MemberStatus.PENDING: {"subscribed if fresh", "unsubscribed", "cleaned", "declined", "erased"},
    MemberStatus.SUBSCRIBED: {"unsubscribed", "cleaned", "declined", "erased"},
    MemberStatus.UNSUBSCRIBED: {"subscribed if fresh", "cleaned", "declined", "erased"},
    MemberStatus.CLEANED: {"subscribed if fresh", "unsubscribed", "declined", "erased"},
    MemberStatus.DECLINED: {"pending", "subscribed if fresh", "unsubscribed", "cleaned", "erased"},
    MemberStatus.ERASED: set(),
}


@pytest.mark.parametrize("standing", list(MemberStatus))
@pytest.mark.parametrize("wanted", list(MemberStatus))
def test_standings_follow_each_other_as_the_table_says(standing: MemberStatus, wanted: MemberStatus) -> None:
    for fresh in (False, True):
        allowed = standing is wanted or wanted in MAY[standing] or (fresh and f"{wanted} if fresh" in MAY[standing])
        assert (why_not_become(standing, wanted, consent_is_fresh=fresh) is None) == allowed


def test_mailchimp_hears_of_those_it_knows_or_is_to_know() -> None:
    assert mailchimp_must_hear(None, MemberStatus.SUBSCRIBED)
    assert mailchimp_must_hear(MemberStatus.SUBSCRIBED, MemberStatus.DECLINED)
    assert mailchimp_must_hear(MemberStatus.PENDING, MemberStatus.UNSUBSCRIBED)
    assert not mailchimp_must_hear(None, MemberStatus.PENDING)
    assert not mailchimp_must_hear(MemberStatus.PENDING, MemberStatus.DECLINED)


def test_languages_time_zones_and_roles_are_known_by_name() -> None:
    assert all(is_language(code) for code in ("en", "cy", "pt-BR", "zh-Hans-CN", "es-419"))
    assert not any(is_language(code) for code in ("", "English", "EN", "en_GB", "e"))
    assert is_timezone("Europe/London")
    assert not is_timezone("London")
    assert role_named("Critical friends") is role_named("critical_friend") is LeadershipRole.CRITICAL_FRIEND
    assert role_named("chair") is None

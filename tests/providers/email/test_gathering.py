"""Asking the DNS for mail services: everything at once, and nothing held back."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from nspd.core.catalog import Entry
from nspd.model import errors
from nspd.model.flags import LookupFlags
from nspd.model.queryset import QuerySet
from nspd.providers.email import EmailProvider
from tests.backends import VIRTUAL_TIME
from tests.core.world import Scripted, open_world, turns
from tests.providers.email.mail import (
    EVERYTHING,
    ask,
    code,
    ending,
    found,
    hosts,
    mail_world,
    services,
)
from tests.providers.email.resolver import ZoneResolver

pytestmark = pytest.mark.anyio


async def test_all_questions_go_out_at_once() -> None:
    """No question waits for the answer to another."""
    async with mail_world() as (world, zone):
        zone.hold("example.org.", "MX")
        for service in ("submissions", "submission", "imaps", "imap", "pop3s", "pop3"):
            zone.hold(f"_{service}._tcp.example.org.", "SRV")
        lookup = ask(world.session(), "user@example.org")
        await turns()
        assert len(zone.asked) == 7
        assert lookup.end().cancelled == 0
        await turns()
        assert zone.cancelled == 7


@VIRTUAL_TIME
async def test_a_silent_service_holds_back_no_other() -> None:
    """What comes after a silent one in order waits for the grace and no longer."""
    async with mail_world(grace=0.25) as (world, zone):
        gate = zone.hold("_submissions._tcp.example.org.", "SRV")
        lookup = ask(world.session(), "user@example.org")
        begun = anyio.current_time()
        records = [await lookup.next()]
        assert anyio.current_time() - begun == pytest.approx(0.25)
        records += [await lookup.next() for _ in range(4)]
        assert anyio.current_time() - begun == pytest.approx(0.25)
        gate.set()
        records.append(await lookup.next())
        assert services(records) == [*EVERYTHING[1:], EVERYTHING[0]]
        lookup.end()


@VIRTUAL_TIME
async def test_half_of_the_addresses() -> None:
    """A silent half holds back what has come for the grace alone; the verdict says so."""
    async with mail_world(services=("imaps",), delivery=False) as (world, zone):
        zone.hold("mail.example.org.", "AAAA")
        begun = anyio.current_time()
        records, error = await ending(ask(world.session(), "user@example.org"))
        assert anyio.current_time() - begun == pytest.approx(0.25)
    assert [hosts(record) for record in records] == [[("192.0.2.10", 993)]]
    assert error.code == errors.WSA_E_NO_MORE
    verdict = error.verdicts[0]
    assert (verdict.outcome, verdict.error, verdict.setting) == ("timed_out", 10060, "grace")
    assert verdict.records == 1


async def test_addresses_that_nobody_wants_are_not_asked_for() -> None:
    """Without LUP_RETURN_ADDR the hosts come without a question for their addresses."""
    async with mail_world() as (world, zone):
        records = await found(world.session(), "user@example.org", int(LookupFlags.RETURN_NAME))
    assert [record.service_instance_name for record in records] == [name for _, name in EVERYTHING]
    assert {rdtype for _, rdtype in zone.asked} == {"SRV", "MX"}


@pytest.mark.parametrize("failing", [("example.org.", "MX"), ("_imaps._tcp.example.org.", "SRV")])
async def test_a_question_without_an_answer(failing: tuple[str, str]) -> None:
    """The other services are delivered; then the verdict tells of the one that failed."""
    async with mail_world() as (world, zone):
        zone.failing[failing] = errors.TimedOut("nobody answered", setting="timeout")
        records, error = await ending(ask(world.session(), "user@example.org"))
    left = [e for e in EVERYTHING if failing[1] == "SRV" or e[0] != "smtp/tcp"]
    left = [e for e in left if failing[1] == "MX" or e[0] != "imaps/tcp"]
    assert services(records) == left
    assert error.code == errors.WSA_E_NO_MORE
    verdict = error.verdicts[0]
    assert (verdict.outcome, verdict.error, verdict.setting) == ("timed_out", 10060, "timeout")
    assert verdict.records == len(left)


async def test_no_question_is_answered() -> None:
    """With nothing delivered, the lookup ends with the first question's error."""
    async with mail_world() as (world, zone):
        for service in ("submissions", "submission", "imaps", "imap", "pop3s", "pop3"):
            zone.failing[f"_{service}._tcp.example.org.", "SRV"] = errors.TryAgain("no")
        zone.failing["example.org.", "MX"] = errors.TryAgain("no")
        assert await code(world.session(), "user@example.org") == errors.WSATRY_AGAIN


async def test_a_host_without_an_answer() -> None:
    """A host whose addresses nobody tells is left out, and the verdict says why."""
    async with mail_world() as (world, zone):
        for rdtype in ("A", "AAAA"):
            zone.failing["mx1.example.org.", rdtype] = errors.TryAgain("servfail")
        records, error = await ending(ask(world.session(), "u@example.org", query_string="MX"))
    assert services(records) == [EVERYTHING[5]]
    assert (error.verdicts[0].outcome, error.verdicts[0].error) == ("failed", 11002)


async def test_end_cancels_all_questions() -> None:
    """End while questions are under way cancels each, and the work stops."""
    async with mail_world() as (world, zone):
        for rdtype in ("A", "AAAA"):
            zone.hold("mail.example.org.", rdtype)
        zone.hold("example.org.", "MX")
        lookup = ask(world.session(), "user@example.org")
        await turns(40)
        end = lookup.end()
        await turns(40)
        assert end.work == "stopped"
        assert zone.cancelled == 1 + 2 * 4


async def test_an_answer_that_comes_with_the_end_has_nothing_more_asked() -> None:
    """The task that has just been given an answer runs on for a while; it asks nobody."""
    async with mail_world() as (world, zone):
        answer = zone.hold("example.org.", "MX")
        lookup = ask(world.session(), "user@example.org", query_string="MX")
        await turns(40)
        answer.set()
        end = lookup.end()
        await turns(40)
        assert end.work == "stopped"
        assert zone.asked == [("example.org.", "MX")]


async def test_a_crowd_of_hosts() -> None:
    """No domain can have more than twenty hosts of a service looked up."""
    zone = ZoneResolver(
        *(f"example.org. MX {n} mx{n}.example.net." for n in range(100)),
        *(f"mx{n}.example.net. A 192.0.2.{n}" for n in range(100)),
    )
    async with mail_world(zone) as (world, _):
        records = await found(world.session(), "user@example.org")
    assert [name for _, name in services(records)] == [f"mx{n}.example.net" for n in range(20)]
    assert len([asked for asked in zone.asked if asked[1] == "A"]) == 20


async def test_hosts_that_other_providers_claim() -> None:
    """A host under a suffix that another provider claims is left out, and not asked for."""
    zone = ZoneResolver(
        "example.org. MX 10 mx.corp.example.",
        "example.org. MX 20 mx.example.org.",
        "corp.example. MX 10 mx.corp.example.",
        "mx.corp.example. A 192.0.2.1",
        "mx.example.org. A 192.0.2.2",
    )
    provider = EmailProvider(open_resolver=zone.opened)
    other = Entry(Scripted(namespace=12), domains=["corp.example"])
    async with open_world(provider, other) as world:
        session = world.session()
        records = await found(session, "user@example.org")
        assert services(records) == [("smtp/tcp", "mx.example.org")]
        assert not any(name.endswith("corp.example.") for name, _ in zone.asked)
        by_guid = session.begin(
            QuerySet(service_instance_name="user@corp.example"), provider_id=provider.provider_id
        )
        records, _ = await ending(by_guid)
        assert services(records) == [("smtp/tcp", "mx.corp.example")]


async def test_a_domain_that_does_not_exist() -> None:
    """Without the domain there is no address (10108)."""
    async with mail_world() as (world, _):
        assert await code(world.session(), "user@example.com") == errors.WSASERVICE_NOT_FOUND


async def test_a_known_domain_does_not_hide_a_failure() -> None:
    """Nothing found, and not everything answered: that is the failure's code, not 11004."""
    async with mail_world(ZoneResolver("example.org. TXT none")) as (world, zone):
        session = world.session()
        assert await code(session, "user@example.org") == errors.WSANO_DATA
        late = errors.TimedOut("nobody answered", setting="timeout")
        zone.failing["_imaps._tcp.example.org.", "SRV"] = late
        assert await code(session, "user@example.org") == errors.WSAETIMEDOUT


async def test_whether_there_is_a_domain_is_asked_only_if_need_be() -> None:
    """One service is one question; a domain that has not even its name is asked for once more."""
    async with mail_world() as (world, zone):
        session = world.session()
        zone.hold("example.org.", "MX")
        (record,) = await found(session, "user@example.org", query_string="imaps/tcp")
        assert record.service_instance_name == "mail.example.org"
        assert await code(session, "user@example.com", query_string="imaps/tcp") == 10108
        assert [name for name, rdtype in zone.asked if rdtype == "MX"] == ["example.com."]

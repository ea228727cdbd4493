"""The format of resolv.conf."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nspd.providers.dns.resolvconf import ResolvConf, parse
from nspd.providers.dns.servers import Server

_WORDS = "nameserver options search domain 192.0.2.1 ::1 % ndots: # ; : 9 rotate . xn--a bücher"
LOCAL = (Server("127.0.0.1"),)


def problems(text: str) -> list[tuple[int, str]]:
    return [(each.line, each.reason) for each in parse(text).problems]


def test_a_common_file_is_read() -> None:
    """Servers, search list and options, with comments between them."""
    conf = parse(
        "# made by hand\n"
        "; and by another\n"
        "\n"
        "nameserver 192.0.2.1\n"
        "nameserver\t2001:db8::53\n"
        "search corp.example example.test\n"
        "options ndots:2 timeout:3 attempts:4 rotate edns0 trust-ad\n"
    )
    assert conf == ResolvConf(
        servers=(Server("192.0.2.1"), Server("2001:db8::53")),
        search=("corp.example", "example.test"),
        ndots=2,
        timeout=3,
        attempts=4,
        rotate=True,
        trust_ad=True,
    )


def test_an_empty_file_means_the_local_machine() -> None:
    """The defaults are those of resolv.conf(5)."""
    conf = parse("")
    assert conf.servers == LOCAL
    assert (conf.ndots, conf.timeout, conf.attempts) == (1, 5, 2)
    assert conf.search == ()
    assert conf == ResolvConf()


def test_a_link_local_server_has_a_scope() -> None:
    """IPv6 with the interface that it is on (RFC 4007)."""
    assert parse("nameserver fe80::1%eth0").servers == (Server("fe80::1%eth0"),)


def test_three_servers_count() -> None:
    """A fourth is passed over, as by glibc."""
    text = "".join(f"nameserver 192.0.2.{number}\n" for number in range(1, 6))
    assert [each.address for each in parse(text).servers] == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    assert problems(text) == [(4, "more than 3 nameservers"), (5, "more than 3 nameservers")]


@pytest.mark.parametrize(
    ("text", "search"),
    [
        ("search a.test\nsearch b.test c.test", ("b.test", "c.test")),
        ("domain a.test b.test", ("a.test",)),
        ("search a.test\ndomain b.test", ("b.test",)),
        ("domain b.test\nsearch a.test c.test", ("a.test", "c.test")),
        ("search .", (".",)),
        ("search", ()),
    ],
)
def test_the_last_search_list_counts(text: str, search: tuple[str, ...]) -> None:
    """`search` and `domain` replace each other; `domain` has one entry."""
    assert parse(text, hostname="host.local.test").search == search


@pytest.mark.parametrize(
    ("hostname", "search"),
    [("host.corp.example", ("corp.example",)), ("host", ()), ("", ()), ("host.", ())],
)
def test_the_host_name_gives_the_search_list(hostname: str, search: tuple[str, ...]) -> None:
    """Without `search` and `domain` it is what follows the first dot of the host's name."""
    assert parse("nameserver 192.0.2.1", hostname=hostname).search == search


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("ndots:0", (0, 5, 2)),
        ("ndots:16", (15, 5, 2)),
        ("timeout:31", (1, 30, 2)),
        ("timeout:0", (1, 1, 2)),
        ("attempts:6", (1, 5, 5)),
        ("attempts:0", (1, 5, 1)),
        ("attempts:" + "9" * 5000, (1, 5, 5)),
    ],
)
def test_numbers_are_capped(option: str, value: tuple[int, int, int]) -> None:
    """Limits are those of resolv.conf(5), and hold without a complaint."""
    conf = parse(f"options {option}")
    assert (conf.ndots, conf.timeout, conf.attempts) == value
    assert not conf.problems


def test_options_add_up() -> None:
    """Several lines of options count together; the last value of a number counts."""
    conf = parse("options rotate ndots:2\noptions use-vc ndots:3 no-aaaa\noptions no-tld-query")
    assert conf.rotate
    assert conf.use_vc
    assert conf.no_aaaa
    assert conf.no_tld_query
    assert conf.ndots == 3


def test_options_without_a_meaning_here_are_no_problem() -> None:
    """What other resolvers understand is accepted."""
    assert problems("options debug inet6 no-check-names no-reload edns0 single-request") == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("nameserver", "'' is not an IP address"),
        ("nameserver dns.example.test", "'dns.example.test' is not an IP address"),
        ("nameserver 192.0.2.1:53", "'192.0.2.1:53' is not an IP address"),
        ("nameserver [2001:db8::1]", "'[2001:db8::1]' is not an IP address"),
        ("nameserver #192.0.2.1", "'#192.0.2.1' is not an IP address"),
        ("nameserver 224.0.0.251", "'224.0.0.251' is not the address of one server"),
        (" nameserver 192.0.2.1", "a keyword must begin its line"),
        ("NAMESERVER 192.0.2.1", "'NAMESERVER' is not supported"),
        ("sortlist 192.0.2.0/24", "'sortlist' is not supported"),
        ("options frobnicate", "the option 'frobnicate' is not known"),
        ("options ndots", "the option 'ndots' is not known"),
        ("options ndots:many", "'ndots:many' has no number"),
        ("options ndots:-1", "'ndots:-1' has no number"),
        ("options timeout:", "'timeout:' has no number"),
        ("search good.test bad..test", "'bad..test' is not a domain name"),
        (f"search {'x' * 64}.test", f"'{'x' * 64}.test' is not a domain name"),
    ],
)
def test_broken_lines_are_passed_over(line: str, reason: str) -> None:
    """A broken line costs nothing but itself, and is told with its number."""
    conf = parse(f"nameserver 192.0.2.9\n{line}\noptions rotate\n")
    assert [(each.line, each.reason) for each in conf.problems] == [(2, reason)]
    assert conf.servers == (Server("192.0.2.9"),)
    assert conf.rotate


def test_what_is_good_of_a_search_list_stays() -> None:
    """A broken domain is left out of its list."""
    assert parse("search good.test bad..test fine.test").search == ("good.test", "fine.test")


@settings(deadline=None)
@given(st.text(max_size=200))
def test_no_text_breaks_it(text: str) -> None:
    """Whatever the file holds, there is a server to ask and a sound set of numbers."""
    conf = parse(text)
    assert 1 <= len(conf.servers) <= 3
    assert 0 <= conf.ndots <= 15
    assert 1 <= conf.timeout <= 30
    assert 1 <= conf.attempts <= 5


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from([*_WORDS.split(), " ", "\t", "\n", "\0", "\x85"]),
        max_size=30,
    )
)
def test_no_mixture_of_words_breaks_it(words: list[str]) -> None:
    """Every problem names a line that is there."""
    text = "".join(words)
    assert all(1 <= each.line <= text.count("\n") + 1 for each in parse(text).problems)

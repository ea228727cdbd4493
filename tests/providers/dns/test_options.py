"""What a resolver goes by: its options, and resolv.conf where they say nothing."""

from __future__ import annotations

from typing import Any

import pytest

from nspd.providers.dns.options import InForce, Options, in_force
from nspd.providers.dns.resolvconf import ResolvConf
from nspd.providers.dns.servers import Server

CONF = ResolvConf(
    servers=(Server("192.0.2.53"),),
    search=("corp.test",),
    ndots=2,
    timeout=3,
    attempts=4,
    rotate=True,
    use_vc=True,
)


def texts(settings: InForce) -> tuple[list[str], list[str], int, float, int]:
    """Servers, search list, ndots, timeout and attempts."""
    return (
        [str(server) for server in settings.servers],
        [name.to_text() for name in settings.search.domains],
        settings.search.ndots,
        settings.timeout,
        settings.attempts,
    )


def test_what_is_left_out_comes_from_resolv_conf() -> None:
    """All of it."""
    settings = in_force(Options(), CONF)
    assert texts(settings) == (["192.0.2.53:53"], ["corp.test."], 2, 3.0, 4)
    assert (settings.rotate, settings.use_vc) == (True, True)
    assert settings.families == ("inet6", "inet")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"servers": ("127.0.0.1:5353",)}, (["127.0.0.1:5353"], ["corp.test."], 2, 3.0, 4)),
        (
            {"search": ("bücher.test", "x.")},
            (["192.0.2.53:53"], ["xn--bcher-kva.test.", "x."], 2, 3.0, 4),
        ),
        ({"search": ()}, (["192.0.2.53:53"], [], 2, 3.0, 4)),
        ({"ndots": 0}, (["192.0.2.53:53"], ["corp.test."], 0, 3.0, 4)),
        ({"timeout": 0.5, "attempts": 1}, (["192.0.2.53:53"], ["corp.test."], 2, 0.5, 1)),
    ],
)
def test_each_option_stands_for_itself(given: dict[str, Any], expected: Any) -> None:
    """The others are still taken from resolv.conf."""
    assert texts(in_force(Options(**given), CONF)) == expected


@pytest.mark.parametrize(
    ("options", "conf", "trusted"),
    [
        (Options(), CONF, False),
        (Options(), ResolvConf(servers=CONF.servers, trust_ad=True), True),
        (Options(), ResolvConf(), True),  # the local machine
        (Options(servers=("192.0.2.1",)), ResolvConf(trust_ad=True), False),
        (Options(servers=("127.0.0.2", "[::1]:53")), CONF, True),
        (Options(servers=("127.0.0.2", "192.0.2.1")), CONF, False),
        (Options(trust_ad=True), CONF, True),
        (Options(trust_ad=False), ResolvConf(trust_ad=True), False),
    ],
)
def test_who_is_trusted_to_validate(options: Options, conf: ResolvConf, trusted: bool) -> None:
    """The option, else resolv.conf for its own servers, else servers on this machine."""
    assert in_force(options, conf).trust_ad is trusted


def test_domains_of_resolv_conf_that_cannot_be_are_passed_over() -> None:
    """A mistake there must not stop the daemon while it runs."""
    conf = ResolvConf(search=("i❤.test", "good.test", "x" * 64))
    assert texts(in_force(Options(), conf))[1] == ["good.test."]


def test_other_options_of_resolv_conf() -> None:
    """no-aaaa and no-tld-query."""
    settings = in_force(Options(), ResolvConf(no_aaaa=True, no_tld_query=True))
    assert settings.families == ("inet",)
    assert not settings.search.as_is


@pytest.mark.parametrize(
    ("wrong", "setting"),
    [
        ({"servers": ()}, "servers"),
        ({"servers": ("nowhere",)}, "servers"),
        ({"search": ("a..b",)}, "search"),
        ({"search": ("x" * 64,)}, "search"),
        ({"timeout": 0.0}, "timeout"),
        ({"attempts": 0}, "attempts"),
        ({"ndots": -1}, "ndots"),
        ({"resolv_conf": "\0"}, "resolv_conf"),
        ({"resolv_conf": ""}, "servers"),
    ],
)
def test_impossible_options_name_the_setting(wrong: dict[str, Any], setting: str) -> None:
    """They are mistakes of the configuration."""
    with pytest.raises(ValueError, match=setting):
        Options(**wrong)

"""The demo's own reading of a hosts file."""

from __future__ import annotations

from nspd.cli._demo_hosts import first_name


def test_localhost_is_preferred_with_all_its_addresses() -> None:
    """Both families count, on however many lines, in whatever case and spelling."""
    text = "192.0.2.1 web\n127.0.0.1\tlocalhost web\n0:0::1 LocalHost # comment\n"
    assert first_name(text) == ("localhost", {"127.0.0.1", "::1"})


def test_without_localhost_the_first_name_is_taken() -> None:
    """Comments, empty lines and lines without an address are passed over."""
    text = "# 127.0.0.1 localhost\n\nnonsense here\n192.0.2.1 web www\n192.0.2.2 www\n"
    assert first_name(text) == ("web", {"192.0.2.1"})


def test_an_empty_file_has_no_name() -> None:
    """Nothing to look up is told as None."""
    assert first_name("# nothing\n192.0.2.1\n") == (None, set())

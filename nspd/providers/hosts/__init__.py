"""The hosts namespace: names and addresses from a hosts file, as hosts(5) describes it."""

from nspd.providers.hosts.provider import HostsProvider as HostsProvider

__all__ = ["HostsProvider"]

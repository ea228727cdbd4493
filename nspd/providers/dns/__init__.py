"""The DNS namespace: addresses, services, reverse names and records of any type."""

from nspd.providers.dns.provider import DnsProvider as DnsProvider

__all__ = ["DnsProvider"]

"""The test namespace: any behaviour of a provider, on demand and from a seed.

It is part of the product: people load-test their own clients with it. Off
unless the configuration turns it on, and asked only by its own namespace or GUID.
"""

from nspd.providers.test.provider import TestProvider
from nspd.providers.test.script import Script, parse_script

__all__ = ["Script", "TestProvider", "parse_script"]

"""Contract checks for providers and clients of one's own; see docs/testing-suites.md.

Nothing here needs a test runner: each check is a method that raises
`ContractViolation`. Under pytest a subclass whose name begins with ``Test`` is
collected as it stands.
"""

from nspd.testing.bench import asked
from nspd.testing.client_contract import ClientContract
from nspd.testing.fake_daemon import FakeDaemon
from nspd.testing.provider_contract import ProviderContract
from nspd.testing.violation import ContractViolation

__all__ = ["ClientContract", "ContractViolation", "FakeDaemon", "ProviderContract", "asked"]

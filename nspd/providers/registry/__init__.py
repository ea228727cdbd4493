"""The registry: names that clients register with SetServiceEx and look up again.

`provider` joins an `index` in memory, which answers, to a `store` on disk, which lasts.
"""

from nspd.providers.registry.provider import RegistryProvider as RegistryProvider

__all__ = ["RegistryProvider"]

"""The email namespace: registered addresses, and the mail services of their domains.

`provider` joins a registry of its own to what `gathering` finds out from the DNS.
"""

from nspd.providers.email.provider import EmailProvider as EmailProvider

__all__ = ["EmailProvider"]

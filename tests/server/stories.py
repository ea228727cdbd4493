"""Stories of explained lookups, as a client reads them."""

from __future__ import annotations

from typing import Any

from nspd.model.namespaces import fixed_guid
from tests.server.house import Client

Story = list[dict[str, Any]]


def told(story: Story, event: str, namespace: int | None = None) -> list[dict[str, Any]]:
    """The facts of the events of one kind, perhaps of one provider only."""
    wanted = None if namespace is None else fixed_guid(namespace)
    return [
        each["facts"]
        for each in story
        if each["event"] == event and wanted in (None, each["provider_id"])
    ]


def words(story: Story, namespace: int) -> list[str]:
    """The kinds of the events of one provider, in order."""
    return [each["event"] for each in story if each["provider_id"] == fixed_guid(namespace)]


async def explain(client: Client, name: str | None = None, **params: Any) -> dict[str, Any]:
    """nspd.Explain of a name; its result."""
    restrictions = {} if name is None else {"service_instance_name": name}
    restrictions |= params.pop("restrictions", {})
    result: dict[str, Any] = await client.result(
        "nspd.Explain", restrictions=restrictions, **params
    )
    return result

"""The list of providers in the configuration."""

from __future__ import annotations

import tomllib

import pytest

from nspd.model.namespaces import fixed_guid
from nspd.server.config.providers import ProviderList
from nspd.server.config.report import Place, Problem
from nspd.server.config.toml_lines import key_lines
from nspd.server.kinds import Kinds
from nspd.server.settings import ProviderSettings

GUID = "AAAAAAAA-0000-4000-8000-000000000001"


def listed(kinds: Kinds, *texts: str) -> tuple[tuple[ProviderSettings, ...], list[str]]:
    """The providers of some files, and what is wrong with them."""
    problems: list[Problem] = []
    providers = ProviderList(kinds, problems)
    for number, text in enumerate(texts, 1):
        document = tomllib.loads(text)
        if "provider" in document:
            place = Place(f"{number}.toml", key_lines(text), ())
            providers.add(place, document["provider"])
    return providers.finish("/state"), [str(problem) for problem in problems]


def test_the_first_table_replaces_the_default_list_and_further_files_add(kinds: Kinds) -> None:
    """Catalog order is the order of the files and of the tables in each."""
    assert [p.kind for p in listed(kinds, "")[0]] == ["hosts", "registry", "email", "dns"]
    providers, problems = listed(
        kinds,
        "[[provider]]\nkind = 'remote'",
        "[[provider]]\nkind = 'registry'\n[[provider]]\nkind = 'hosts'",
    )
    assert [p.kind for p in providers] == ["remote", "registry", "hosts"]
    assert problems == []


def test_an_empty_list_is_a_list(kinds: Kinds) -> None:
    """`provider = []` asks for no provider at all."""
    assert listed(kinds, "provider = []") == ((), [])


def test_every_setting_of_a_provider(kinds: Kinds) -> None:
    """What is given is taken; a GUID is kept in lower case."""
    text = f"""
        [[provider]]
        kind = "remote"
        identifier = "Far away"
        provider_id = "{GUID}"
        namespace = 12
        enabled = false
        budget = 2
        workers = 3
        domains = ["corp.example"]
        servers = ["192.0.2.1"]
        timeout = 1
    """
    (provider,), problems = listed(kinds, text)
    assert problems == []
    assert provider == ProviderSettings(
        kind="remote",
        identifier="Far away",
        provider_id=GUID.lower(),
        namespace=12,
        enabled=False,
        budget=2.0,
        workers=3,
        domains=("corp.example",),
        options={"servers": ["192.0.2.1"], "timeout": 1.0},
    )


def test_two_providers_with_one_guid_are_named_both(kinds: Kinds) -> None:
    """Also when one has it by default, and across files."""
    _, problems = listed(
        kinds,
        "[[provider]]\nkind = 'hosts'",
        f"[[provider]]\nkind = 'remote'\nprovider_id = '{fixed_guid(11).upper()}'",
    )
    assert problems == [
        f"2.toml:3: provider.provider_id: {fixed_guid(11)} is already that of 'hosts' "
        "(1.toml:1); give one of them another"
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("provider = 1", "1.toml:1: provider: write each provider as a table"),
        ("[provider]\nkind = 'hosts'", "1.toml:1: provider: write each provider as a table"),
        ("[[provider]]\nenabled = true", "1.toml:1: provider.kind: every provider needs a kind"),
        ("[[provider]]\nkind = 3", "1.toml:2: provider.kind: every provider needs a kind"),
        (
            "[[provider]]\nkind = 'host'",
            "1.toml:2: provider.kind: no provider of the kind 'host' is installed; "
            "the nearest known is 'hosts'",
        ),
        ("[[provider]]\nkind = 'needy'", "1.toml:1: provider.server: the kind 'needy' needs this"),
        ("[[provider]]\nkind = 'needy'\nserver = 1", "1.toml:3: provider.server: Expected text"),
        ("[[provider]]\nkind = 'broken'", "1.toml:2: provider.kind: remote_thing:Provider cannot"),
        (
            "[[provider]]\nkind = 'hosts'\npaht = '/x'",
            "1.toml:3: provider.paht: the kind 'hosts' has no such setting; "
            "the nearest known is 'path'",
        ),
        (
            "[[provider]]\nkind = 'hosts'\nstore = 'memory'",
            "1.toml:3: provider.store: the kind 'hosts' has no such setting",
        ),
        ("[[provider]]\nkind = 'hosts'\noptions = {}", "1.toml:3: provider.options: the kind"),
        ("[[provider]]\nkind = 'hosts'\npath = 1", "1.toml:3: provider.path: Expected text, got"),
        ("[[provider]]\nkind = 'hosts'\npath = ''", "1.toml:1: provider: the path of a hosts file"),
        (
            "[[provider]]\nkind = 'hosts'\nbudget = 0",
            "1.toml:3: provider.budget: Expected a number",
        ),
        ("[[provider]]\nkind = 'hosts'\nbudget = 'x'", "1.toml:3: provider.budget: 'x' is not a"),
        ("[[provider]]\nkind = 'hosts'\nworkers = 0", "1.toml:3: provider.workers: Expected an"),
        ("[[provider]]\nkind = 'hosts'\nnamespace = 0", "1.toml:3: provider.namespace: Expected"),
        ("[[provider]]\nkind = 'hosts'\nprovider_id = '1'", "1.toml:3: provider.provider_id: "),
        ("[[provider]]\nkind = 'hosts'\ndomains = ['']", "1.toml:3: provider.domains: Expected"),
        (
            "[[provider]]\nkind = 'hosts'\ndomains = ['a', '*.b']",
            "1.toml:3: provider.domains: '*.b' is a pattern",
        ),
        (
            "[[provider]]\nkind = 'hosts'\ndomains = ['10.0.0.1']",
            "1.toml:3: provider.domains: '10.0.0.1' is an address",
        ),
        ("[[provider]]\nkind = 'remote'\ntimeout = '1 eon'", "1.toml:3: provider.timeout: "),
        ("[[provider]]\nkind = 'remote'\nservers = '::1'", "1.toml:3: provider.servers: Expected"),
    ],
)
def test_a_mistake_is_named_with_its_place(kinds: Kinds, text: str, problem: str) -> None:
    """Unknown kinds and keys, options of another kind, wrong types and impossible values."""
    _, (line,) = listed(kinds, text)
    assert line.startswith(problem)


def test_each_email_provider_has_a_database_of_its_own(kinds: Kinds) -> None:
    """The default file is named after the GUID, unless that is the one of the kind."""
    guid = "00000000-0000-4000-8000-00000000000a"
    text = f'[[provider]]\nkind = "email"\n[[provider]]\nkind = "email"\nprovider_id = "{guid}"\n'
    stores = [provider.options["store"] for provider in listed(kinds, text)[0]]
    assert stores == ["sqlite:/state/email.db", f"sqlite:/state/email-{guid}.db"]

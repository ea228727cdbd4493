"""``nspctl explain``: one lookup as a story."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from nspd.cli._exits import Exit
from nspd.cli._lookups import GRACE, shower
from nspd.cli._mappings import as_mapping, as_mappings
from nspd.cli._options import Settings, Verb, pass_settings
from nspd.cli._output import Output
from nspd.cli._params import provider_guid
from nspd.cli._report import VERDICT_HEADS, plain_verdicts, verdict_rows
from nspd.cli._story import choice_rows, steps
from nspd.cli._text import counted, duration, printable
from nspd.cli._wanted import ASKED, NAME, NO_NAME, Wanted, options, wanted
from nspd.model.flags import LookupFlags
from nspd.model.namespaces import namespace_name

if TYPE_CHECKING:
    from nspd.wire.results import ExplainResult


@click.command("explain", cls=Verb)
@options(NAME, *ASKED)
@pass_settings
def command(settings: Settings, /, *, name: str | None, **asked: Any) -> Exit:
    """Look up NAME, and tell how the answer came about.

    Shown are the providers that the daemon chose and by which rule, what each
    of them did and when, what became of each, and the records. It is a lookup
    like any other: what is cached is used, and work under way is shared.
    Without NAME the other options must say what is asked for, as for query.

    With --json it is one object, the result of nspd.Explain.
    """
    what = wanted(name, **asked)
    settings.subject = name or ""
    with settings.connect(grace=GRACE) as client:
        result = client.explain(
            restrictions=what.restrictions,
            control_flags=what.control_flags,
            provider_id=provider_guid(client, what.provider),
            policy=what.policy,
            timeout=settings.timeout,
            limit=what.limit,
        )
    if settings.output.for_people:
        _tell(settings.output, name or NO_NAME, what, result)
    else:
        settings.output.value(result)
    if result.error is not None:
        from nspd.model.errors import error_for

        data = {"verdicts": list(result.verdicts)}
        raise error_for(result.error.code, result.error.data.detail, data)
    return Exit.DONE


def _tell(output: Output, name: str, what: Wanted, result: ExplainResult) -> None:
    story = as_mappings(result.story)
    output.line(output.bold(f"{printable(name)}:") + " " + printable(_question(what)))
    output.line()
    output.table(("PROVIDER", "ASKED", "WHY"), choice_rows(story), cut=False)
    rows = list(steps(story))
    if rows:
        output.line()
        output.table(("TIME", "PROVIDER", "WHAT HAPPENED"), rows, cut=False)
    if result.left_out:
        output.aside(f"-- {counted(result.left_out, 'step')} more, for which there was no room")
    if result.verdicts:
        output.line()
        output.table(VERDICT_HEADS, verdict_rows(plain_verdicts(result.verdicts)), cut=False)
    if result.results:
        output.line()
        show = shower(output, name, brief=True)
        for record in result.results:
            show(record)
    told = f"{counted(len(result.results), 'record')} in {duration(result.elapsed)}"
    output.line()
    output.aside(f"-- {told}")


def _question(what: Wanted) -> str:
    asked = as_mapping(what.restrictions)
    namespace = asked.get("namespace")
    parts = [f"namespace {namespace_name(namespace)}" if namespace else "all namespaces"]
    if what.provider is not None:
        parts = [f"provider {what.provider}"]
    if asked.get("query_string"):
        parts.append(f'"{asked["query_string"]}"')
    if asked.get("context"):
        parts.append(f'context "{asked["context"]}"')
    if what.control_flags & LookupFlags.RETURN_PREFERRED_NAMES:
        parts.append("preferred names")
    parts.append("one after the other" if what.policy == "first" else "all at once")
    return ", ".join(parts)

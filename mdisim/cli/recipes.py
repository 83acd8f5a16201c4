"""The command about named policies: which there are, where each comes from, and its parameters."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import click

from mdisim.cli.options import json_option
from mdisim.cli.output import as_json, show, table

if TYPE_CHECKING:
    from mdisim.policies.descriptions import Description


@click.command()
@click.argument("name", required=False)
@json_option
def policies(name: str | None, wants_json: bool) -> None:
    """List the named policies, or say of one how it works, where it comes from and what its parameters are."""
    if name is None:
        _all(wants_json)
    else:
        _one(name, wants_json)


def _all(wants_json: bool) -> None:
    from mdisim.planners import catalogue

    rows = sorted(catalogue(), key=lambda row: row["policy"])
    if wants_json:
        as_json(rows)
    else:
        table([{"policy": row["policy"], "what": row["what"]} for row in rows])


def _one(name: str, wants_json: bool) -> None:
    from mdisim.planners import RECIPES
    from mdisim.policies import described, parameters

    if name not in RECIPES:
        near = get_close_matches(name, RECIPES, 1)
        raise click.BadParameter(
            f"no policy {name!r}; "
            + (f"did you mean {near[0]!r}?" if near else f"there are {', '.join(RECIPES)}"),
            param_hint="NAME",
        )
    said = described(RECIPES[name])
    fields = ("name", "default", "unit", "allowed", "meaning")
    rows: list[dict[str, Any]] = [{key: getattr(p, key) for key in fields} for p in parameters(RECIPES[name])]
    if wants_json:
        as_json([row | {"source": said.source, "reconstructed": said.reconstructed} for row in rows])
    else:
        _describe(name, said)
        table(rows)


def _describe(name: str, said: Description) -> None:
    """Print the parts of a description, with an empty line between."""
    labelled = f"Source: {said.source}", f"Reconstructed: {said.reconstructed}"
    show("\n\n".join(filter(None, (f"{name}: {said.summary}", said.how, *labelled))))

"""A docstring taken apart: what a policy is, how it works, where it comes from, and what of it does not."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from mdisim.policies import Description, MdiExit, Policy, described
from mdisim.policies.policy import Setting


class Told:
    """What it is.

    How it works,
    in two lines.

    And more: with a colon.

    Source: somebody, "A title: with
    a colon", 2024.

    Of it section 3.

    Reconstructed: nothing.
    """

    def build(self, setting: Setting) -> Policy:
        raise NotImplementedError


@dataclass(frozen=True)
class Bare:
    share: float = 0.5


class Inherits(MdiExit):
    pass


def test_paragraphs_go_to_their_parts_and_lines_are_joined() -> None:
    expected = Description(
        summary="What it is.",
        how="How it works, in two lines.\n\nAnd more: with a colon.",
        source='somebody, "A title: with a colon", 2024.\n\nOf it section 3.',
        reconstructed="nothing.",
    )
    assert described(Told) == expected
    assert described(Told()) == expected


@pytest.mark.parametrize("recipe", [Bare, Bare(), Inherits, Inherits(), lambda setting: None])
def test_what_has_no_docstring_of_its_own_has_no_description(recipe: object) -> None:
    assert described(recipe) == Description()


def test_missing_parts_are_empty() -> None:
    def recipe() -> None:
        """One paragraph, on
        two lines."""

    assert described(recipe) == Description("One paragraph, on two lines.")
    recipe.__doc__ = "Source: a paper."
    assert described(recipe) == Description(source="a paper.")
    recipe.__doc__ = ""
    assert described(recipe) == Description()

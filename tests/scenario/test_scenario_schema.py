import json
from dataclasses import fields
from pathlib import Path

import jsonschema
import pytest

from mdisim.planners import RECIPES
from mdisim.scenario import Scenario, find, names
from mdisim.scenario.yamlio import YamlError, compose

FOLDER = Path(__file__).parents[2] / "scenarios"
INVALID = sorted((FOLDER / "invalid").glob("*.yaml"))


@pytest.fixture(scope="module")
def validator():
    schema = Scenario.schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_shipped_schema_is_current():
    shipped = (FOLDER / "scenario.schema.json").read_text(encoding="utf-8")
    assert shipped == json.dumps(Scenario.schema(), indent=2, ensure_ascii=False) + "\n", (
        "write it again: mdisim schema > scenarios/scenario.schema.json"
    )


@pytest.mark.parametrize("name", names())
def test_shipped_scenarios_are_valid_as_written_and_resolved(name, validator):
    text = find(name).read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=scenario.schema.json\n")
    validator.validate(compose(text, name).data())
    validator.validate(Scenario.load(name).resolved())


def test_most_invalid_scenarios_are_invalid_in_an_editor_too(validator):
    def refused(path):
        try:
            return not validator.is_valid(compose(path.read_text(encoding="utf-8"), path.name).data())
        except YamlError:
            return True

    assert sum(refused(path) for path in INVALID) > 0.5 * len(INVALID)


def test_every_key_says_what_it_means(validator):
    for name, section in validator.schema["$defs"].items():
        for key, value in section.get("properties", {}).items():
            assert value.get("description") or key == "kind", f"{name}.{key}"


def test_every_named_policy_offers_its_parameters(validator):
    policies = {one["title"]: one["properties"] for one in validator.schema["$defs"]["Policy"]["oneOf"]}
    assert {*RECIPES, "rule"} == set(policies)
    for name, kind in RECIPES.items():
        assert {field.name for field in fields(kind)} < set(policies[name])

"""Every file in scenarios/invalid must give the message beside it, and nothing else."""

from pathlib import Path

import pytest

from mdisim.scenario import Scenario, ScenarioError

FOLDER = Path(__file__).parents[2] / "scenarios" / "invalid"
FILES = sorted(FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_message_is_the_one_beside_the_file(path):
    with pytest.raises(ScenarioError) as error:
        Scenario.load(path)
    said = str(error.value).replace(str(path), path.name)
    assert said + "\n" == path.with_suffix(".txt").read_text(encoding="utf-8")


def test_every_message_belongs_to_a_file():
    assert {path.stem for path in FOLDER.glob("*.txt")} == {path.stem for path in FILES}
    assert len(FILES) > 50

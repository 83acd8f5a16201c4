import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdisim.scenario import Scenario, ScenarioError
from mdisim.scenario.yamlio import LIMIT_BYTES, YamlError, compose, dump


def read(text):
    return compose(text, "text").data()


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1", 1), ("-7", -7), ("010", 10), ("0o17", 15), ("0x1F", 31),
        ("1e3", 1000.0), ("-.5", -0.5), ("1.", 1.0), (".inf", float("inf")), ("-.inf", float("-inf")),
        ("true", True), ("False", False), ("~", None), ("null", None), ("", None),
        ("no", "no"), ("yes", "yes"), ("on", "on"), ("12:30", "12:30"), ("2026-01-01", "2026-01-01"),
        ("1_000", "1_000"), ("'1'", "1"), ('"true"', "true"), ("5 ms", "5 ms"),
    ],
)  # fmt: skip
def test_scalars_follow_yaml_1_2(written, value):
    got = read(f"key: {written}")["key"]
    assert got == value
    assert type(got) is type(value)


def test_keys_are_texts_and_keep_their_spelling():
    assert read("1: a\nno: b\ntrue: c\n") == {"1": "a", "no": "b", "true": "c"}


def test_merge_keys_give_defaults_that_own_keys_override():
    text = "base: &base {kind: a, cores: 1}\nx: {<<: *base, cores: 2}\ny: {<<: [{cores: 3}, *base]}\n"
    assert read(text) == {
        "base": {"kind": "a", "cores": 1},
        "x": {"kind": "a", "cores": 2},
        "y": {"cores": 3, "kind": "a"},
    }


def test_nodes_know_where_they_stand():
    root = compose("a: 1\nb:\n  - x\n  - {c: 2}\n", "f")
    mark = root.value["b"].value[1].value["c"].mark
    assert (mark.origin, mark.line, mark.column) == ("f", 3, 8)
    assert root.value["b"].value[1].keys["c"].column == 5


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "\n".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BOMB, "holds more than 100000 values once its aliases are expanded"),
        ("<<: " * 40, "cannot"),
        ("[" * 200_000, "is nested more than 30 deep"),
        ("- " * 200_000, "is nested more than 30 deep"),
        ("{a: " * 200_000, "is nested more than 30 deep"),
        ("a: [" + "1," * 300_000 + "]", "holds more than 100000 values"),
        ("? " * 200_000, "a key must be a plain word"),
        ("[a]: b", "a key must be a plain word"),
        ("a: &a [*a]", "stands inside what it names"),
        ("a: 1\x00", "control character 0x00"),
        ("a: !!python/name:os.system", "the tag !!python/name:os.system is not read here"),
        ("a: !thing 1", "the tag !thing is not read here"),
    ],
    ids=lambda text: text[:12],
)
def test_hostile_yaml_costs_nothing_and_gets_one_message(text, said):
    with pytest.raises(YamlError) as error:
        compose(text, "f")
    if said != "cannot":
        assert said in str(error.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"x" * (LIMIT_BYTES + 1), "above the limit of 1000000: is this a scenario?"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "is not a text file in UTF-8 (byte 0 is 0x89)"),
        ("profile: ü".encode("latin-1"), "is not a text file in UTF-8 (byte 9 is 0xfc)"),
        ("profile: x".encode("utf-16"), "is not a text file in UTF-8"),
        (b"PK\x03\x04", "control character 0x03"),
        (b"", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (BOMB.encode(), "once its aliases are expanded"),
    ],
    ids=["too large", "picture", "latin-1", "utf-16", "zip", "empty", "mark alone", "bomb"],
)
def test_a_file_that_is_no_scenario_gets_one_message(tmp_path, content, said):
    path = tmp_path / "given.yaml"
    path.write_bytes(content)
    with pytest.raises(ScenarioError) as error:
        Scenario.load(path)
    assert len(error.value.faults) == 1
    assert said in str(error.value)
    assert str(error.value).startswith(str(path))


def test_a_file_of_ten_megabytes_is_not_read(tmp_path):
    path = tmp_path / "given.yaml"
    with path.open("wb") as file:
        file.truncate(10_000_000)
    with pytest.raises(ScenarioError, match="above the limit of 1000000"):
        Scenario.load(path)


def test_no_file_a_folder_and_a_wrong_name_are_told_apart(tmp_path):
    for asked, said in [
        (tmp_path / "none.yaml", "there is no such file"),
        (tmp_path, "is a folder"),
        ("mdi-exit-5-mseh", "there is no scenario of this name; did you mean 'mdi-exit-5-mesh'?"),
        ("mdi-exit-5-mesh.yml", "there is no such file; there is a shipped scenario 'mdi-exit-5-mesh'"),
    ]:
        with pytest.raises(ScenarioError) as error:
            Scenario.load(asked)
        assert said in str(error.value)


def test_a_byte_order_mark_does_not_matter(folder):
    path = folder / "given.yaml"
    before = Scenario.load(path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert Scenario.load(path) == before


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(), st.text(alphabet=" \n\t-:[]{},&*!|>'\"#%@?ab1.<")))
def test_any_text_is_a_scenario_or_has_faults(text):
    with pytest.raises(ScenarioError) as error:
        Scenario.from_text(text)
    assert error.value.faults
    assert all(fault.message for fault in error.value.faults)


TEXTS = st.text(alphabet=st.characters(codec="utf-8"))
SCALARS = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False) | TEXTS
KEYS = TEXTS.filter(lambda key: key not in ("", "<<"))


@settings(max_examples=300, deadline=None)
@given(st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=20))
def test_what_is_dumped_reads_back(data):
    assert read(dump({"key": data})) == {"key": data}

import pytest
import yaml
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from mdisim.scenario import Scenario, ScenarioError, yamlio
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


PARSE = yaml.parse


def parses_in_other_words(text, Loader):
    """PyYAML's parser as another release may be: it stops at the same places, and says so differently."""
    try:
        yield from PARSE(text, Loader=Loader)
    except yaml.MarkedYAMLError as error:
        error.problem, error.context = "hic sunt dracones", error.context and "inter verba"
        raise


def parses_no_deep_nesting(text, Loader):
    """A parser with a limit of its own, which it checks before it hands out anything."""
    opened = [i for i, character in enumerate(text) if character in "[{-"]
    if len(opened) > 40:
        place = yaml.Mark("f", opened[40], 0, opened[40], None, None)
        raise yaml.scanner.ScannerError("while reading on", place, "too much for us", place)
    yield from PARSE(text, Loader=Loader)


PARSERS = {
    "libyaml": (getattr(yaml, "CSafeLoader", yaml.SafeLoader), None),
    "pure python": (yaml.SafeLoader, None),
    "other words": (yaml.SafeLoader, parses_in_other_words),
    "own limit": (yaml.SafeLoader, parses_no_deep_nesting),
}


@pytest.fixture(params=PARSERS)
def any_parser(request, monkeypatch):
    """Reads with a parser that need not be the installed one: what we say must not depend on it."""
    loader, parse = PARSERS[request.param]
    monkeypatch.setattr(yamlio, "_LOADER", loader)
    if parse is not None:
        monkeypatch.setattr(yaml, "parse", parse)


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "\n".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<<: " * 40, "'<<' merges mappings"),
        ("[" * 200_000, "is nested more than 30 deep"),
        ("- " * 200_000, "is nested more than 30 deep"),
        ("{a: " * 200_000, "is nested more than 30 deep"),
        ("? " * 200_000, "a key must be a plain word"),
        ("[a]: b", "a key must be a plain word"),
        ("a: &a [*a]", "stands inside what it names"),
        ("a: 1\x00", "control character 0x00"),
        ("a: !!python/name:os.system", "the tag !!python/name:os.system is not read here"),
        ("a: !thing 1", "the tag !thing is not read here"),
    ],
    ids=lambda text: text[:12],
)
@pytest.mark.usefixtures("any_parser")
def test_hostile_yaml_costs_nothing_and_gets_one_message(text, said):
    with pytest.raises(YamlError) as error:
        compose(text, "f")
    assert said in str(error.value)


@pytest.mark.parametrize("text", [BOMB, "a: [" + "1," * 300_000 + "]"], ids=["aliases", "a long list"])
def test_too_many_values_cost_little_and_get_one_message(text):
    with pytest.raises(YamlError, match="holds more than 100000 values once its aliases are expanded"):
        compose(text, "f")


@pytest.mark.parametrize(
    ("text", "said", "line", "column"),
    [
        ("a: b: c\n", "a second ': ' on this line", 0, 4),
        ("a: b\n  c: d\n", "a line indented too far", 1, 3),
        ("a:\n    b: 1\n  c: 2\n", "the indentation does not fit the lines above", 2, 2),
        ("a:\n  - b\n  c: 1\n", "the indentation does not fit the list above", 2, 2),
        ("a: 1\nb\nc: 2\n", "this line is not 'key: value'", 1, 0),
        ("ä: [1, 2\nb: 3\n", "this list lacks a ',' or its ']'", 0, 3),
        ("a: {b: 1, c: 2", "this mapping lacks a ',' or its '}'", 0, 3),
        ("ä: ü\nb: 'c\nd: 1\n", "this text in quotes is never closed", 1, 3),
        ('a: "b\n', "this text in quotes is never closed", 0, 3),
        ('a: "\\q"\n', "this escape is unknown", 0, None),
        ("a:\n\tb: 1\n", "indent with spaces, not tabs", 1, 0),
        ("a:\n  b: 1\n\tc: 2\n", "indent with spaces, not tabs", 2, 0),
        ("a: @b\n", "a value cannot begin with '@': put the text in quotes", 0, 3),
        ("a: *.csv\n", "a value cannot begin with '*': put the text in quotes", 0, 3),
        ("a: 'b' c\n", "the value ends before this", 0, 7),
        ("a: |x\n", "after '|' a text begins on the next line", 0, 3),
        ("a: [1,,2]\n", "a value is missing", 0, 6),
        ("a: ]\n", "a value is missing", 0, 3),
    ],
)
@pytest.mark.usefixtures("any_parser")
def test_what_no_parser_reads_is_told_in_our_words(text, said, line, column):
    with pytest.raises(YamlError) as error:
        compose(text, "f")
    assert said in str(error.value)
    mark = error.value.mark
    assert (mark.line, mark.column if column is not None else None) == (line, column)


def test_a_parser_that_tells_no_place_gets_a_message_too(monkeypatch):
    def parse(text, Loader):
        raise yaml.MarkedYAMLError(problem="no idea")

    monkeypatch.setattr(yaml, "parse", parse)
    with pytest.raises(YamlError, match="not readable as YAML") as error:
        compose("a: 1", "f")
    assert error.value.mark is None


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


@examples(300)
@given(st.one_of(st.text(), st.text(alphabet=" \n\t-:[]{},&*!|>'\"#%@?ab1.<")))
def test_any_text_is_a_scenario_or_has_faults(text):
    with pytest.raises(ScenarioError) as error:
        Scenario.from_text(text)
    assert error.value.faults
    assert all(fault.message for fault in error.value.faults)


TEXTS = st.text(alphabet=st.characters(codec="utf-8"))
SCALARS = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False) | TEXTS
KEYS = TEXTS.filter(lambda key: key not in ("", "<<"))


@examples(300)
@given(st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=20))
def test_what_is_dumped_reads_back(data):
    assert read(dump({"key": data})) == {"key": data}

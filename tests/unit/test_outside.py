"""Models of others: what is read, what is asked of them, and what is said when they do not fit."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from minillm.corpus.tables import read_split
from minillm.evaluation.causality import EDIT_TOLERANCE, audit_causality, gradient_to_the_future
from minillm.evaluation.generation import generate
from minillm.evaluation.perplexity import evaluate_perplexity
from minillm.evaluation.record import read_records
from minillm.evaluation.score import score_documents
from minillm.files import read_json
from minillm.model.build import build_model
from minillm.model.config import ModuleConfig, config_from
from minillm.model.outside import HuggingFaceModel
from minillm.training.adopt_model import adopt_model, read_pretrained
from minillm.training.config import TrainingConfig
from minillm.training.optimizer import build_optimizers
from minillm.training.saved import load_model, save_model
from minillm.vocabulary.adopt_vocabulary import adopt_vocabulary
from minillm.vocabulary.tokenizer import Specials, decode, load_tokenizer, unknown_id, vocabulary_size

CPU = torch.device("cpu")
END = "<|endoftext|>"
SIZE = 290  # tokens
GPT2 = transformers.GPT2Config(
    n_embd=16, n_layer=2, n_head=2, n_positions=24, vocab_size=SIZE + 6, bos_token_id=0, eos_token_id=0
)
QWEN3 = transformers.Qwen3Config(
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=1,
    head_dim=8,
    intermediate_size=24,
    max_position_embeddings=24,
    vocab_size=SIZE,
    bos_token_id=0,
    eos_token_id=0,
    tie_word_embeddings=False,
)


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test asks the hub, and relative paths are those of a test's own folder."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)


def byte_tokenizer(texts: list[str]) -> Tokenizer:
    """Byte pairs in the manner of GPT-2: one token ends a text and begins the next."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=SIZE, special_tokens=[END], initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def piece_tokenizer(texts: list[str]) -> Tokenizer:
    """Pieces with a mark for the space, as of SentencePiece; what holds no known letter is <unk>."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never", split=False)
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="never", split=False)
    trainer = trainers.UnigramTrainer(
        vocab_size=SIZE, special_tokens=["<unk>", END], unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator([text.replace("ñ", "") for text in texts], trainer)
    return tokenizer


@pytest.fixture
def folder(toy_corpus: Path, tmp_path: Path) -> Callable[..., Path]:
    """Saves a model of transformers with random weights and its tokenizer, as a user would have them."""

    def save(config: Any, tokenizer: Tokenizer | None = None, unknown: str = END, **names: str) -> Path:
        chosen = tokenizer or byte_tokenizer(read_split(toy_corpus / "articles.parquet", "train"))
        names = names or {"bos_token": END, "eos_token": END}
        fast = transformers.PreTrainedTokenizerFast(tokenizer_object=chosen, unk_token=unknown, **names)
        torch.manual_seed(0)
        model = transformers.AutoModelForCausalLM.from_config(config)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        model.save_pretrained(tmp_path / "mine")
        fast.save_pretrained(tmp_path / "mine")
        return tmp_path / "mine"

    return save


def adopted(pretrained: Path | str, tokenizer: Path | None = None, **more: Any) -> tuple[Path, Path]:
    """The files that the stage writes; the run's vocabulary is the folder's own if no other is given."""
    vocabulary = tokenizer or Path(pretrained) / "tokenizer.json"
    weights, description = Path("out/model.safetensors"), Path("out/config.json")
    adopt_model(str(pretrained), True, vocabulary, weights, description, **more)
    return weights, description


# Pretrained models


@pytest.mark.parametrize("config", [GPT2, QWEN3], ids=["gpt2", "qwen3"])
def test_a_pretrained_model_gives_its_own_logits(folder: Callable[..., Path], config: Any) -> None:
    """Bit for bit, from the run's files alone; rows of the table that stand for no token are cut off."""
    place = folder(config)
    original = transformers.AutoModelForCausalLM.from_pretrained(place)
    original.eval()
    weights, description = adopted(place)
    place.rename("gone")
    model = load_model(weights, description, CPU)
    ids = torch.randint(SIZE, (3, 20), generator=torch.manual_seed(1))
    with torch.no_grad():
        expected = original(ids).logits[..., :SIZE]
        assert torch.equal(model(ids), expected)
        assert torch.equal(model(ids, last_only=True), expected[:, -1:])
    saved = read_json(description)
    assert (saved["vocabulary_size"], saved["parameters"]) == (SIZE, original.num_parameters())
    assert saved["config"].items() >= {"layers": 2, "width": 16, "heads": 2, "context": 24, "causal": True}.items()
    assert (model.context, model.specials.ids) == (24, {0})
    assert model.token_embedding().weight.shape == (config.vocab_size, 16)


def test_twice_the_same_bytes(folder: Callable[..., Path]) -> None:
    place = folder(GPT2)
    first = [path.read_bytes() for path in adopted(place)]
    assert [path.read_bytes() for path in adopted(place)] == first


def test_another_context(folder: Callable[..., Path]) -> None:
    place = folder(GPT2)
    assert load_model(*adopted(place, context=7), CPU).context == 7
    with pytest.raises(ValueError, match="has 24 positions; lower its context of 25"):
        adopted(place, context=25)


def test_a_context_that_the_model_does_not_say(folder: Callable[..., Path]) -> None:
    place = folder(transformers.BloomConfig(hidden_size=16, n_layer=1, n_head=2, vocab_size=SIZE))
    with pytest.raises(ValueError, match="does not say how many tokens it sees at once; give its context"):
        adopted(place)
    assert read_pretrained(str(place), unlimited=70)[1].context == 70
    assert read_pretrained(str(folder(GPT2)), unlimited=70)[1].context == 24


def test_texts_are_read_after_its_own_token_and_end_with_it(folder: Callable[..., Path]) -> None:
    """GPT-2 has one special token for everything: it begins a text, and whoever generates it has ended."""
    model = load_model(*adopted(folder(GPT2)), CPU)
    ids = [5, 9, 20]
    with torch.no_grad():
        expected = model(torch.tensor([[0, *ids[:2]]])).log_softmax(-1)[0, [0, 1, 2], ids]
    assert score_documents(model, [ids]).nll == pytest.approx(-expected.numpy(), abs=1e-5)
    with torch.no_grad():  # nothing is so probable as the end: the last state points to its row, and rows are as long
        network: Any = model.inner.transformer  # type: ignore[union-attr]
        network.wte.weight /= network.wte.weight.norm(dim=1, keepdim=True)
        network.ln_f.weight.zero_()
        network.ln_f.bias.copy_(network.wte.weight[0])
    assert generate(model, [ids], 5) == [[]]


SHAPE: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 24,
    "vocab_size": 60,
    "pad_token_id": None,
    "bos_token_id": 0,
    "eos_token_id": 0,
}


def random_model(config: Any) -> HuggingFaceModel:
    """A model of transformers with random weights, under the project's interface."""
    torch.manual_seed(0)
    inner = transformers.AutoModelForCausalLM.from_config(config).eval()
    for parameter in inner.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    inner.config.use_cache = False
    model = HuggingFaceModel(inner, config.model_type, config.vocab_size, config.vocab_size, 24)
    model.specials = Specials(pad=None, unk=None, bos=0, eos=0)
    return model


@pytest.mark.parametrize(
    "config",
    [
        GPT2,
        QWEN3,
        transformers.LlamaConfig(**SHAPE),
        transformers.MistralConfig(**SHAPE, num_key_value_heads=1, sliding_window=5),
        transformers.BertConfig(**{**SHAPE, "pad_token_id": 0}, is_decoder=True),
        transformers.BloomConfig(hidden_size=16, n_layer=2, n_head=2, vocab_size=60),
    ],
    ids=lambda config: config.model_type,
)
@torch.no_grad()
def test_what_was_read_is_remembered(config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Logits and texts are those of a model that reads all of it each time, also when texts of a batch have ended."""
    model = random_model(config)
    ids = torch.randint(1, 60, (3, 20), generator=torch.manual_seed(1))
    whole = model(ids)
    cache = model.new_cache()
    assert cache is not None
    assert torch.allclose(model(ids[:, :7], cache=cache), whole[:, :7], atol=1e-5)
    for place in range(7, 20):
        assert cache.length == place
        if place == 12:
            cache.keep([0, 2])
            ids, whole = ids[[0, 2]], whole[[0, 2]]
        found = model(ids[:, place : place + 1], last_only=True, cache=cache)
        assert torch.allclose(found[:, 0], whole[:, place], atol=1e-5)

    lengths: list[int] = []
    model.inner.get_input_embeddings().register_forward_pre_hook(lambda _, args: lengths.append(args[0].shape[1]))
    prompts = [[5, 6, 7], [8], [9] * 12, [4, 3]]

    def texts() -> list[list[int]]:
        return [
            text
            for heat in (0.0, 1.0)
            for text in generate(model, prompts, 30, heat, enough=lambda ids: sum(ids) % 17 == 0)
        ]

    remembered = texts()
    assert set(lengths) <= {1, 2, 24}, "[BOS] and the shortest prompt, then token by token until the window moves"
    monkeypatch.setattr(HuggingFaceModel, "new_cache", lambda _: None)
    assert texts() == remembered
    assert len({len(text) for text in remembered}) > 1


@pytest.mark.parametrize(
    "config",
    [
        transformers.BertConfig(**{**SHAPE, "pad_token_id": 0}, is_decoder=False),
        transformers.MambaConfig(hidden_size=16, num_hidden_layers=2, vocab_size=60, state_size=4),
    ],
    ids=["sees the future", "has another memory"],
)
def test_who_cannot_use_a_cache_goes_without(config: Any) -> None:
    model = random_model(config)
    assert model.new_cache() is None
    (text,) = generate(model, [[5, 6]], 5)
    with torch.no_grad():
        assert text[0] == model(torch.tensor([[0, 5, 6]]))[0, -1].argmax()


@pytest.mark.parametrize(
    ("pretrained", "message"),
    [
        ("nobody/nothing", r"nobody/nothing: no tokenizer can be read from it .*connect.*save_pretrained"),
        ("empty", r"empty: no tokenizer can be read from it"),
    ],
)
def test_what_cannot_be_read(pretrained: str, message: str) -> None:
    Path("empty").mkdir()
    with pytest.raises(ValueError, match=message) as error:
        adopted(pretrained)
    assert "\n" not in str(error.value)


def test_weights_in_a_pickle_are_not_read(folder: Callable[..., Path]) -> None:
    place = folder(GPT2)
    torch.save({}, place / "pytorch_model.bin")
    (place / "model.safetensors").unlink()
    with pytest.raises(ValueError, match="no causal language model with safetensors weights"):
        adopted(place)


def test_weights_that_are_not_there_are_not_made_up(folder: Callable[..., Path]) -> None:
    """transformers would warn and draw them at random."""
    place = folder(GPT2)
    config = json.loads((place / "config.json").read_text())
    (place / "config.json").write_text(json.dumps({**config, "n_layer": 3}))
    with pytest.raises(ValueError, match=r"weights lack transformer\.h\.2"):
        adopted(place)


def test_a_tokenizer_of_another_model(folder: Callable[..., Path]) -> None:
    GPT2_SMALL = transformers.GPT2Config(**{**GPT2.to_dict(), "vocab_size": SIZE - 1})
    with pytest.raises(ValueError, match=f"its tokenizer has {SIZE} tokens and the model {SIZE - 1}"):
        adopted(folder(GPT2_SMALL))


def test_a_tokenizer_without_a_beginning(folder: Callable[..., Path]) -> None:
    with pytest.raises(ValueError, match="neither a bos_token nor an eos_token"):
        adopted(folder(GPT2, pad_token=END))


# Their vocabularies


def test_a_vocabulary_is_taken_as_it_is(toy_corpus: Path, folder: Callable[..., Path]) -> None:
    output, statistics = Path("tokenizer.json"), Path("statistics.json")
    articles = toy_corpus / "articles.parquet"
    adopt_vocabulary(articles, str(folder(GPT2)), output, statistics)
    tokenizer = load_tokenizer(output)
    texts = read_split(articles, "test")
    ids = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
    assert [decode(tokenizer, [0, *row, 0]) for row in ids] == texts
    found = read_json(statistics)
    assert (found["kind"], found["size"], vocabulary_size(tokenizer), unknown_id(tokenizer)) == (
        "pretrained",
        SIZE,
        SIZE,
        None,
    )
    assert found["splits"]["test"] == {
        "tokens": sum(map(len, ids)),
        "unknown": 0,
        "characters": sum(map(len, texts)),
    }
    (row,) = tokenizer.encode_batch([END], add_special_tokens=False)  # in a text it is text
    assert 0 not in row.ids


def test_what_a_vocabulary_cannot_write_is_paid_for(toy_corpus: Path, folder: Callable[..., Path]) -> None:
    """As for words: bits per byte with and without differ by the spelling of each «ñ»."""
    articles = toy_corpus / "articles.parquet"
    pieces = piece_tokenizer(read_split(articles, "train"))
    place = folder(GPT2, pieces, unknown="<unk>")
    adopt_vocabulary(articles, str(place), Path("tokenizer.json"), Path("statistics.json"))
    unknown = read_json(Path("statistics.json"))["splits"]
    assert unknown["test"]["unknown"] == sum(text.count("ñ") for text in read_split(articles, "test")) > 0
    weights, description = adopted(place, Path("tokenizer.json"))
    assert Path("out/tokenizer.json").read_bytes() == Path("tokenizer.json").read_bytes()
    evaluate_perplexity(
        weights,
        description,
        Path("tokenizer.json"),
        articles,
        corpus="toy",
        model="mine",
        seed="1",
        threads=1,
        device="cpu",
        sample_articles=2,
        records=Path("records.json"),
        documents=Path("documents.csv"),
        token_counts=Path("counts.csv"),
        confidences=Path("confidences.parquet"),
    )
    found = {record.metric: record.value for record in read_records(Path("records.json")) if record.split == "test"}
    assert found["bits_per_byte"] > found["bits_per_byte_uncharged"]
    assert found["unknown_rate"] == unknown["test"]["unknown"] / unknown["test"]["tokens"]


def test_a_vocabulary_that_changes_the_text_is_refused(toy_corpus: Path, folder: Callable[..., Path]) -> None:
    articles = toy_corpus / "articles.parquet"
    lower = byte_tokenizer(read_split(articles, "train"))
    lower.normalizer = normalizers.Lowercase()
    place = folder(GPT2, lower)
    with pytest.raises(ValueError, match=r"mine: its tokenizer does not give texts back .*«el río"):
        adopt_vocabulary(articles, str(place), Path("tokenizer.json"), Path("statistics.json"))
    assert not Path("tokenizer.json").exists()


# Classes of one's own

NETWORKS = '''
"""Attention of a single head, with a mask or with one of zeros, and classes that are wrong."""
from dataclasses import dataclass

import torch
from torch import nn


@dataclass
class Output:
    logits: torch.Tensor


class Network(nn.Module):
    def __init__(self, vocabulary_size, width=16, mask=True, tied=False):
        super().__init__()
        self.table = nn.Embedding(vocabulary_size, width)
        self.places = nn.Embedding(64, width)
        self.mix = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, vocabulary_size, bias=False)
        if tied:
            self.output.weight = self.table.weight
        self.mask = mask

    def forward(self, ids):
        x = self.table(ids)
        x += self.places(torch.arange(ids.shape[1], device=ids.device))
        query, key, value = self.mix(x).chunk(3, -1)
        scores = query @ key.transpose(1, 2)
        if self.mask:
            scores = scores.masked_fill(torch.ones_like(scores, dtype=torch.bool).triu(1), float("-inf"))
        return Output(self.output(x + scores.softmax(-1) @ value))


class Last(Network):
    def forward(self, ids):
        return super().forward(ids).logits[:, -1]


class Wide(Network):
    def __init__(self, vocabulary_size):
        super().__init__(vocabulary_size + 1)


class Tuple(Network):
    def forward(self, ids):
        return super().forward(ids).logits, None


class Twin(Network):
    def __init__(self, vocabulary_size):
        super().__init__(vocabulary_size)
        self.other = nn.Embedding(vocabulary_size, 4)


class Chosen(Twin):
    def get_input_embeddings(self):
        return self.table


class Deaf(Network):
    def forward(self, ids):
        x = nn.functional.embedding(ids, self.table.weight)
        return self.output(x)


def not_a_class(vocabulary_size):
    pass
'''


def build(name: str = "Network", file: str = "redes/mia.py", **options: Any) -> Any:
    """A model of the file above, with 24 tokens."""
    Path("redes").mkdir(exist_ok=True)
    Path("redes/mia.py").write_text(NETWORKS, encoding="utf-8")
    Path("redes/rota.py").write_text("import torch\n1 / 0\n", encoding="utf-8")
    torch.manual_seed(0)
    return build_model(ModuleConfig(module=f"{file}:{name}", options=options, context=12), 24)


@pytest.mark.parametrize("tied", [False, True])
def test_a_class_is_saved_and_built_again(tied: bool) -> None:
    model = build(tied=tied)
    config = ModuleConfig(module="redes/mia.py:Network", options={"tied": tied}, context=12)
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}  # as training keeps the best
    save_model(Path("model.safetensors"), Path("config.json"), config, 24, state)
    saved = read_json(Path("config.json"))
    assert config_from(saved["config"]) == config
    assert saved["parameters"] == 24 * 16 * (1 if tied else 2) + 64 * 16 + 16 * 48 + 48
    again = load_model(Path("model.safetensors"), Path("config.json"), CPU)
    ids = torch.randint(24, (2, 12))
    assert torch.equal(again(ids), model(ids))
    assert again(ids, last_only=True).shape == (2, 1, 24)


@pytest.mark.parametrize("mask", [True, False])
def test_the_audit_of_a_class(toy_corpus: Path, mask: bool) -> None:
    """A mask of zeros lets the future through, whatever its author says of it."""
    model, config = build(mask=mask), ModuleConfig(module="redes/mia.py:Network", options={"mask": mask}, context=12)
    save_model(Path("model.safetensors"), Path("config.json"), config, 24, model.state_dict())
    audit_causality(
        Path("model.safetensors"),
        Path("config.json"),
        toy_corpus / "words.json",
        toy_corpus / "articles.parquet",
        corpus="toy",
        model="mine",
        seed="1",
        threads=1,
        device="cpu",
        records=Path("records.json"),
        verdict=Path("verdict.json"),
    )
    verdict = read_json(Path("verdict.json"))
    assert verdict["leaks"] == (not mask)
    assert verdict["passed"]["edits"] == verdict["passed"]["gradient"] == mask
    change = next(r.value for r in read_records(Path("records.json")) if r.metric == "past_logit_change")
    assert (change <= EDIT_TOLERANCE) == mask


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("Last", r"here \(2, 5, 24\).*found the shape \(2, 24\)"),
        ("Wide", r"here \(2, 5, 24\).*found the shape \(2, 5, 25\)"),
        ("Tuple", r"with such \.logits; found a tuple"),
    ],
)
def test_logits_of_another_shape(name: str, found: str) -> None:
    model = build(name)
    with pytest.raises(ValueError, match=rf"redes/mia\.py:{name}: forward\(ids\) must give logits .*{found}"):
        model(torch.zeros(2, 5, dtype=torch.long))


@pytest.mark.parametrize(
    ("name", "file", "options", "message"),
    [
        ("Network", "redes/otra.py", {}, r"there is no file redes/otra\.py"),
        ("Network", "redes/rota.py", {}, r"redes/rota\.py cannot be imported: ZeroDivisionError: division by zero"),
        ("Red", "redes/mia.py", {}, r"has no class Red of torch\.nn\.Module; it has Network, Last, .*Deaf"),
        ("not_a_class", "redes/mia.py", {}, r"has no class not_a_class"),
        ("Network", "redes/mia.py", {"depth": 3}, r"mia\.py:Network: Network\(24, .*'depth': 3.*TypeError.*'depth'"),
    ],
)
def test_what_is_wrong_with_a_class(name: str, file: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(name, file, **options)


def test_the_table_of_the_tokens() -> None:
    assert build().token_embedding() is not None
    with pytest.raises(ValueError, match=r"Twin: has 2 tables nn\.Embedding of 24 rows.*get_input_embeddings"):
        build("Twin").token_embedding()
    chosen = build("Chosen")
    assert chosen.token_embedding() is chosen.inner.table
    deaf = build("Deaf")
    with pytest.raises(ValueError, match="must call the table"):
        gradient_to_the_future(deaf, deaf.ways()[0], 24)


def test_muon_takes_what_is_inside_a_class() -> None:
    model = build(tied=True)
    names = {parameter: name for name, parameter in model.named_parameters()}
    training = TrainingConfig(steps=1, optimizer="muon")
    owned = {
        type(optimizer).__name__: {names[p] for group in optimizer.param_groups for p in group["params"]}
        for optimizer in build_optimizers(model, training)
    }
    assert owned["Muon"] == {"inner.mix.weight"}
    assert owned["AdamW"] == {"inner.table.weight", "inner.places.weight", "inner.mix.bias"}

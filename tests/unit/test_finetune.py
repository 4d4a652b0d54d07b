"""Fine-tuning: what is kept is the best epoch, whole and the same every time, for GPT-2, our own and their controls."""

import csv
import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sklearn.metrics import f1_score
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
)

from minillm.files import read_json, write_csv, write_json
from minillm.model.build import build_model
from minillm.model.config import QwenConfig
from minillm.studies import classify as classify_module
from minillm.studies.classify import classify
from minillm.studies.config import Finetuning, Lora
from minillm.studies.finetune import HISTORY, finetune
from minillm.studies.messages import LABELS
from minillm.training.adopt_model import read_model
from minillm.training.export import export_model
from minillm.training.saved import save_model
from minillm.vocabulary.tokenizer import train_tokenizer

WORDS = {
    "negative": ["malo", "triste", "horrible"],
    "neutral": ["mesa", "lunes", "calle"],
    "positive": ["bueno", "alegre"],
}
THINGS = ["libro", "día", "mar", "viaje", "perro", "café", "tren", "juego", "barrio", "sol"]
SIZES = {"train": 10, "validation": 4, "test": 4}
MODEL = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
QUICK = Finetuning(epochs=3, batch_size=8, learning_rate=5e-3)


def write_messages(path: Path, told: bool = True) -> Path:
    """Messages whose sentiment a word tells, or nothing does."""
    random = np.random.default_rng(0)
    rows = []
    for split, each in SIZES.items():
        for label, words in WORDS.items():
            for _ in range(each):
                word = random.choice(words if told else [word for some in WORDS.values() for word in some])
                rows.append({"text": f"un {random.choice(THINGS)} {word}", "label": label, "split": split})
    write_csv(path, ["text", "label", "split"], rows)
    return path


TEXTS = [f"un {thing} {word}" for thing in THINGS for words in WORDS.values() for word in words]


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model as gpt2 lies on the hub, but small: its shape, and a tokenizer that has nothing to fill rows up with."""
    folder = tmp_path_factory.mktemp("gpt2")
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer, inner.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=320, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet)
    inner.train_from_iterator(TEXTS, trainer)
    end = "<|endoftext|>"
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, bos_token=end, eos_token=end, unk_token=end)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    shape = GPT2Config(vocab_size=320, n_positions=24, n_embd=16, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0)
    GPT2LMHeadModel(shape).save_pretrained(folder)
    assert tokenizer.pad_token is None
    return folder


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The export of a model of ours."""
    folder = tmp_path_factory.mktemp("qwen")
    tokenizer = train_tokenizer(TEXTS, "bpe", 320)
    tokenizer.save(str(folder / "vocabulary.json"))
    config = QwenConfig(architecture="qwen", layers=2, width=16, heads=2, feed_forward=24, context=16)
    size = tokenizer.get_vocab_size()
    torch.manual_seed(0)
    model = build_model(config, size)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)  # some of ours begin as zeros, behind which nothing learns
    save_model(folder / "m.safetensors", folder / "m.json", config, size, model.state_dict())
    export_model(folder / "m.safetensors", folder / "m.json", folder / "vocabulary.json", folder / "huggingface")
    return folder / "huggingface"


def run(
    folder: Path,
    pretrained: Path,
    training: Finetuning = QUICK,
    start: str = "pretrained",
    told: bool = True,
    **more: Any,
) -> Path:
    """A folder with history.csv, predictions.csv and model/ of a fine-tuning."""
    messages = more.pop("messages", None) or write_messages(folder / "messages.csv", told)
    finetune(
        messages=messages,
        pretrained=str(pretrained),
        start=start,
        training=training,
        seed=more.pop("seed", 1),
        threads=1,
        device="cpu",
        history=folder / "out" / "history.csv",
        predictions=folder / "out" / "predictions.csv",
        folder=folder / "out" / "model",
        **more,
    )
    return folder / "out"


def rows(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def read_again(folder: Path, texts: list[str]) -> np.ndarray:
    """The probabilities (texts, labels) that the saved model gives each text alone, read as anybody would read it."""
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        logits = [model(**tokenizer(text, return_tensors="pt")).logits[0] for text in texts]
    return torch.stack(logits).double().softmax(-1).numpy()


def of_split(messages: Path, split: str) -> tuple[list[str], np.ndarray]:
    chosen = [row for row in rows(messages) if row["split"] == split]
    return [row["text"] for row in chosen], np.array([LABELS.index(row["label"]) for row in chosen])


@pytest.mark.parametrize("family", ["gpt2", "qwen"])
def test_it_learns_what_words_tell(family: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """And what is saved says of the test messages, read one by one without padding, what was predicted of them."""
    out = run(tmp_path, request.getfixturevalue(family), Finetuning(epochs=6, batch_size=4, learning_rate=1e-2))
    predicted = rows(out / "predictions.csv")
    texts, labels = of_split(tmp_path / "messages.csv", "test")
    assert [row["label"] for row in predicted] == [LABELS[label] for label in labels]
    table = np.array([[float(row[name]) for name in LABELS] for row in predicted])
    assert table.sum(1) == pytest.approx(1)
    assert (table.argmax(1) == labels).mean() >= 0.75
    assert read_again(out / "model", texts) == pytest.approx(table, abs=1e-5)
    assert sorted(path.name for path in (out / "model").iterdir()) == MODEL
    saved = read_json(out / "model" / "config.json")
    assert saved["id2label"] == {"0": "negative", "1": "neutral", "2": "positive"}
    assert saved["pad_token_id"] == 0  # of GPT-2 the end of text, of ours [PAD]
    assert '"max_length"' not in (out / "model" / "tokenizer.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("keep", ["loss", "macro_f1"])
def test_the_best_epoch_is_kept_and_training_stops(keep: Any, gpt2: Path, tmp_path: Path) -> None:
    """Where there is nothing to learn, more epochs only learn the messages by heart."""
    training = Finetuning(epochs=30, batch_size=4, learning_rate=2e-2, keep=keep, patience=3)
    out = run(tmp_path, gpt2, training, told=False)
    history = rows(out / "history.csv")
    assert list(history[0]) == HISTORY
    assert [(int(row["epoch"]), int(row["step"])) for row in history] == [
        (n, 8 * n) for n in range(1, len(history) + 1)
    ]
    values = [float(row[f"validation_{keep}"]) for row in history]
    best = (min if keep == "loss" else max)(values)
    assert len(history) == values.index(best) + 1 + 3 < 30
    texts, labels = of_split(tmp_path / "messages.csv", "validation")
    again = read_again(out / "model", texts)
    found = {
        "loss": -np.log(again[np.arange(len(labels)), labels]).mean(),
        "macro_f1": f1_score(labels, again.argmax(1), average="macro", zero_division=0.0),
    }
    assert found[keep] == pytest.approx(best, abs=1e-5)
    assert float(history[values.index(best)]["validation_accuracy"]) == pytest.approx(
        (again.argmax(1) == labels).mean()
    )


def test_the_same_bytes_twice_and_nothing_else_is_left(qwen: Path, tmp_path: Path) -> None:
    found = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        found.append(files(run(tmp_path / name, qwen)))
    assert found[0] == found[1]
    assert sorted(found[0]) == ["history.csv", *(f"model/{name}" for name in MODEL), "predictions.csv"]
    assert not list((tmp_path / "one").rglob(".*"))


def test_another_seed_is_another_training(qwen: Path, tmp_path: Path) -> None:
    found = []
    for seed in (1, 2):
        (tmp_path / str(seed)).mkdir()
        found.append(files(run(tmp_path / str(seed), qwen, seed=seed)))
    assert found[0]["history.csv"] != found[1]["history.csv"]


def test_the_control_takes_the_shape_and_not_the_weights(gpt2: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (other / name).write_bytes((gpt2 / name).read_bytes())
    weights = load_file(gpt2 / "model.safetensors")
    save_file({name: tensor + 0.1 for name, tensor in weights.items()}, other / "model.safetensors", {"format": "pt"})
    found = {}
    for start in ("pretrained", "untrained"):
        for folder in (gpt2, other):
            place = tmp_path / start / folder.name
            place.mkdir(parents=True)
            found[start, folder] = files(run(place, folder, start=start))
    assert found["untrained", gpt2] == found["untrained", other]
    assert found["pretrained", gpt2] != found["pretrained", other]
    assert found["untrained", gpt2] != found["pretrained", gpt2]


@pytest.mark.parametrize("family", ["gpt2", "qwen"])
def test_lora_changes_matrices_by_a_low_rank(family: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """And nothing else but the head; what is saved is an ordinary model."""
    pytest.importorskip("peft")
    start = request.getfixturevalue(family)
    out = run(tmp_path, start, lora=Lora(rank=2, alpha=4))
    before, after = load_file(start / "model.safetensors"), load_file(out / "model" / "model.safetensors")
    assert set(after) - set(before) == {"score.weight"}
    changed = [name for name, tensor in before.items() if name in after and not torch.equal(tensor, after[name])]
    ranks = {name: torch.linalg.matrix_rank(after[name] - before[name], atol=1e-5).item() for name in changed}
    assert len(ranks) >= 2
    assert set(ranks.values()) == {2}
    assert sorted(path.name for path in (out / "model").iterdir()) == MODEL
    texts, _ = of_split(tmp_path / "messages.csv", "test")
    table = [[float(row[name]) for name in LABELS] for row in rows(out / "predictions.csv")]
    assert read_again(out / "model", texts) == pytest.approx(np.array(table), abs=1e-5)


def test_lora_needs_its_package(gpt2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(
        ValueError, match=r"lora: install the package peft \(pip install '\.\[lora\]'\), or set it to null"
    ):
        run(tmp_path, gpt2, lora=Lora())


def test_parts_of_a_batch_add_up(qwen: Path, tmp_path: Path) -> None:
    losses = []
    for parts in (1, 5):
        place = tmp_path / str(parts)
        place.mkdir()
        training = Finetuning(epochs=2, batch_size=10, learning_rate=5e-3, micro_batches=parts)
        history = rows(run(place, qwen, training) / "history.csv")
        losses.append([float(row[f"{split}_loss"]) for row in history for split in ("train", "validation")])
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_a_long_message_is_cut_to_the_context(gpt2: Path, tmp_path: Path) -> None:
    messages = write_messages(tmp_path / "messages.csv")
    long = "un libro " * 30
    with messages.open("a", encoding="utf-8") as stream:
        stream.write(f"{long}malo,negative,test\n{long}bueno,positive,test\n{long[:40]}bueno,positive,test\n")
    out = run(tmp_path, gpt2, messages=messages)
    *_, one, two, other = [[row[name] for name in LABELS] for row in rows(out / "predictions.csv")]
    assert one == two != other


def test_what_cannot_be_fine_tuned_is_said(gpt2: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in gpt2.iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    weights = load_file(gpt2 / "model.safetensors")
    del weights["transformer.h.1.mlp.c_fc.weight"]
    save_file(weights, broken / "model.safetensors", {"format": "pt"})
    with pytest.raises(
        ValueError, match=r"broken: its weights lack transformer\.h\.1\.mlp\.c_fc\.weight: it is not whole"
    ):
        run(tmp_path, broken)
    (broken / "model.safetensors").rename(broken / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"broken: no model that can classify, with weights in safetensors"):
        run(tmp_path, broken)
    with pytest.raises(ValueError, match=r"nowhere: no tokenizer can be read from it"):
        run(tmp_path, tmp_path / "nowhere")
    assert not (tmp_path / "out").exists()


# minillm classify


@pytest.fixture(scope="module")
def fine_tuned(gpt2: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tmp_path_factory.mktemp("fine"), gpt2, Finetuning(epochs=6, batch_size=4, learning_rate=1e-2)) / "model"


def said(texts: list[str] | io.StringIO, model: Path | None) -> list[str]:
    screen = io.StringIO()
    classify(texts, model and str(model), screen)
    return screen.getvalue().splitlines()


def test_classify_says_what_the_model_does(fine_tuned: Path) -> None:
    texts = ["un libro malo", "un café alegre", "un día mesa"]
    expected = read_again(fine_tuned, texts)
    lines = [line.split(maxsplit=2) for line in said(texts, fine_tuned)]
    assert [line[0] for line in lines] == [LABELS[number] for number in expected.argmax(1)]
    assert [float(line[1]) for line in lines] == pytest.approx(expected.max(1), abs=6e-4)
    assert [line[2] for line in lines] == texts
    assert said(io.StringIO("un libro malo\nun café alegre\nun día mesa\n"), fine_tuned) == said(texts, fine_tuned)


def test_classify_cuts_a_long_text_and_says_so(fine_tuned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said(["un libro malo"], fine_tuned)
    assert capsys.readouterr().err == ""
    said(["un libro malo", "un libro malo " * 30], fine_tuned)
    assert capsys.readouterr().err == "minillm classify: text 2 is cut to the 24 tokens that the model sees\n"


def test_classify_prints_no_control_characters(fine_tuned: Path) -> None:
    (line,) = said(["un\x1b[31m libro\nmalo"], fine_tuned)
    assert line.endswith("  un[31m libro malo")


def test_classify_refuses_what_it_cannot_do(
    fine_tuned: Path, gpt2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="text 2 is empty: there is nothing to classify"):
        said(["un libro", " \u200b\n"], fine_tuned)
    with pytest.raises(
        ValueError, match=r"has no weights for score\.weight: it has not learnt to classify; `snakemake se"
    ):
        said(["un libro"], gpt2)
    monkeypatch.setattr(classify_module, "RESULTS", tmp_path / "results")
    with pytest.raises(
        ValueError, match=r"there is no .*/studies/sentiment/model yet: `snakemake sentiment` makes one"
    ):
        said(["un libro"], None)
    copy = tmp_path / "results" / "mine" / "studies" / "sentiment" / "model"
    copy.mkdir(parents=True)
    for path in fine_tuned.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    assert said(["un libro malo"], None) == said(["un libro malo"], fine_tuned)
    config = read_json(copy / "config.json")
    write_json(copy / "config.json", config | {"id2label": {"0": "NEGATIVE", "1": "Neutro", "2": "positive"}})
    assert said(["un libro malo"], copy) == said(["un libro malo"], fine_tuned)
    write_json(copy / "config.json", config | {"id2label": {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}})
    with pytest.raises(
        ValueError, match=r"does not tell sentiments: 'LABEL_0' is no label: use .*, as names in id2label"
    ):
        said(["un libro"], copy)


def test_a_classifier_is_no_language_model(fine_tuned: Path) -> None:
    """transformers would make up the layer that it lacks."""
    with pytest.raises(ValueError, match=r"model: was saved as a classifier, which writes no text"):
        read_model(str(fine_tuned))


def test_classify_asks_for_a_classifier(save_tiny: Callable[..., tuple[Path, Path]]) -> None:
    weights, _ = save_tiny(10)
    with pytest.raises(ValueError, match="is a language model: `snakemake sentiment` fine-tunes one to classify"):
        classify(["hola"], str(weights.parent), io.StringIO())


def test_blank_lines_of_standard_input_are_no_texts(fine_tuned: Path) -> None:
    program = "import sys; from minillm.cli import main; sys.exit(main())"
    run = subprocess.run(
        [sys.executable, "-c", program, "classify", "--model", str(fine_tuned)],
        input="muy bien\n\n \nmuy mal\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert [line.split()[2:] for line in run.stdout.splitlines()] == [["muy", "bien"], ["muy", "mal"]]

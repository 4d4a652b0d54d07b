"""lm-evaluation-harness, which others wrote, measures the exported models and finds what our evaluation found.

It runs as a process in an environment of its own, offline (`make test-lm-eval`), and reads nothing of ours but the
folders for Hugging Face and the texts: export, tokenizer, prefix and windows are judged together, document by document.
"""

import csv
import json
import math
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from tokenizers import Tokenizer

from minillm.corpus.language import load_language
from minillm.corpus.tables import ARTICLES, read_split, write_table
from minillm.corpus.wikitext import render
from minillm.evaluation.gender_pairs import read_pairs, sentence_bits
from minillm.evaluation.loading import load_network
from minillm.evaluation.perplexity import evaluate_perplexity
from minillm.evaluation.record import read_records
from minillm.evaluation.score import score_documents
from minillm.evaluation.sums import Speller
from minillm.model.language_model import LanguageModel
from minillm.text import normalise
from minillm.training.config import TrainingConfig
from minillm.training.export import export_model
from minillm.training.train_model import train_model
from minillm.vocabulary.build_vocabulary import build_vocabulary
from minillm.vocabulary.encode_split import encode_split
from minillm.vocabulary.tokenizer import EOS, Specials

ROOT = Path(__file__).parents[2]
HARNESS = ROOT / ".venv/lm-eval"

pytestmark = [
    pytest.mark.lm_eval,
    pytest.mark.skipif(
        not (HARNESS / "installed").exists(), reason="lm-evaluation-harness is not here (make test-lm-eval)"
    ),
]

CONTEXT = 48
SHAPE = {"layers": 2, "width": 64, "heads": 4, "feed_forward": 128, "context": CONTEXT, "dropout": 0.1}
VOCABULARIES = {"minigpt": "words", "qwen": "bpe"}
# Bits per byte and nats per token. A Qwen3 computes the same bits as ours, a GPT-2 rounds elsewhere.
TOLERANCES = {"minigpt": 1e-5, "qwen": 1e-6}
LENGTHS = [1, CONTEXT - 1, CONTEXT, CONTEXT + 1, 2 * CONTEXT, 2 * CONTEXT + 1]  # of the texts «El a a …», in tokens
AWKWARD = [
    *("El" + " a" * (length - 1) for length in LENGTHS),
    "El agua es azul.",
    "Una familia 👨‍👩‍👧‍👦 en la playa 😀, y 日本語の文章.",
    "La\u00a0torre\u202fde la\u3000villa\r\nes alta.\u2029El ri\u0301o, también.",
    "El r\ufffdo nace en la sierra\ufffd \ufffd\ufffd",
    "[BOS] y [UNK] son texto, [PAD] y [EOS] también",
    "{{ text }} {% if %} \\n [1]",
]


@dataclass(frozen=True)
class Judged:
    """A trained model with what we say of it and what the harness says, each of the same documents in order."""

    name: str
    folder: Path
    ours: dict[str, npt.NDArray[np.float64]]  # columns of documents.csv
    theirs: dict[str, npt.NDArray[np.float64]]  # nll in nats, bytes
    totals: dict[str, float]  # metrics of the harness over all documents
    pairs: list[tuple[str, str]]
    pair_bits: npt.NDArray[np.float64]  # of the harness, (side, pair)

    @property
    def tolerance(self) -> float:
        return TOLERANCES[self.name]

    def value(self, metric: str) -> float:
        """Our own value of a metric on the test split."""
        records = read_records(self.folder / "records.json")
        (found,) = [record.value for record in records if (record.metric, record.split) == (metric, "test")]
        return found


def load(folder: Path) -> tuple[LanguageModel, Tokenizer]:
    files = [folder / name for name in ("model.safetensors", "config.json", "tokenizer.json")]
    return load_network(*files, threads=1, device="cpu")


@pytest.fixture(scope="module")
def articles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some articles of the sample, and the awkward texts in the test split besides."""
    spanish = load_language("es")
    with (ROOT / "data/sample/expected.csv").open(encoding="utf-8", newline="") as stream:
        titles = [row["title"] for row in csv.DictReader(stream) if row["expected"] == "kept"][:60]
    pages = [(ROOT / f"data/sample/articles/{title.replace(' ', '_')}.wiki").read_text("utf-8") for title in titles]
    texts = [normalise(render(page, spanish).text) for page in pages]
    pairs = [("train", text) for text in texts[:48]] + [("validation", text) for text in texts[48:52]]
    pairs += [("test", text) for text in [*texts[52:], *map(normalise, AWKWARD)]]
    filler = {field.name: "" if field.type == "string" else 0 for field in ARTICLES}
    rows = [{**filler, "page_id": n, "split": split, "text": text} for n, (split, text) in enumerate(pairs, start=1)]
    path = tmp_path_factory.mktemp("corpus") / "articles.parquet"
    write_table(path, rows, ARTICLES)
    return path


@pytest.fixture(scope="module", params=["minigpt", "qwen"])
def judged(request: pytest.FixtureRequest, articles: Path, tmp_path_factory: pytest.TempPathFactory) -> Judged:
    name = request.param
    folder = tmp_path_factory.mktemp(name)
    measure(name, articles, folder)
    with (folder / "documents.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["split"] == "test"]
    ours = {column: np.array([float(row[column]) for row in rows]) for column in rows[0] if column != "split"}
    _, tokenizer = load(folder)
    pairs = [
        pair
        for pair in read_pairs([ROOT / "data/sample/gender_pairs.csv"])
        if all(len(tokenizer.encode(side)) <= CONTEXT for side in pair)  # a longer one stops the harness
    ]
    documents, totals, sentences = run_harness(folder, read_split(articles, "test"), pairs)
    likelihoods = np.array([sample["bits_per_byte"] for sample in documents])
    theirs = {"nll": -likelihoods[:, 0], "bytes": likelihoods[:, 1]}
    bits = [[-float(answer[0]) / math.log(2) for answer in sample["filtered_resps"]] for sample in sentences]
    return Judged(name, folder, ours, theirs, totals, pairs, np.array(bits).T)


def measure(name: str, articles: Path, folder: Path) -> None:
    """Train a model, export it and evaluate it, all with the stages of the workflow."""
    tokenizer, weights, description = (folder / n for n in ("tokenizer.json", "model.safetensors", "config.json"))
    build_vocabulary(articles, VOCABULARIES[name], 800, tokenizer, folder / "statistics.json")
    encoded = {}
    for split in ("train", "validation"):
        tokens, offsets = encoded[split] = folder / f"{split}.npy", folder / f"{split}.offsets.npy"
        encode_split(articles, tokenizer, split, tokens, offsets)
    train_model(
        name,
        tokenizer,
        *encoded["train"],
        *encoded["validation"],
        code=[],
        model={"architecture": name, **SHAPE},
        training=TrainingConfig(
            steps=60, batch_size=16, learning_rate=5e-3, warmup_steps=5, device="cpu", precision="fp32", compile="never"
        ),
        seed=1,
        weights=weights,
        description=description,
        history=folder / "history.csv",
        timing=folder / "timing.csv",
        outcome=folder / "outcome.json",
    )
    export_model(weights, description, tokenizer, folder / "huggingface")
    evaluate_perplexity(
        weights,
        description,
        tokenizer,
        articles,
        corpus="sample",
        model=name,
        seed="1",
        threads=1,
        device="cpu",
        sample_articles=2,
        records=folder / "records.json",
        documents=folder / "documents.csv",
        token_counts=folder / "tokens.csv",
        confidences=folder / "confidences.parquet",
    )


def run_harness(
    folder: Path, texts: list[str], pairs: list[tuple[str, str]]
) -> tuple[list[dict[str, Any]], dict[str, float], list[dict[str, Any]]]:
    """What it says of each text, of all of them, and of each pair of sentences."""
    data: dict[str, list[dict[str, Any]]] = {
        "articles": [{"text": text} for text in texts],
        "pairs": [{"sides": pair} for pair in pairs],
    }
    tasks: dict[str, dict[str, Any]] = {
        "articles": {
            "output_type": "loglikelihood_rolling",
            "doc_to_target": "text",  # the column, and no template: nothing in a text is taken for one
            "metric_list": [{"metric": "bits_per_byte"}, {"metric": "word_perplexity"}],
        },
        "pairs": {
            "output_type": "multiple_choice",
            "doc_to_target": 0,
            "doc_to_choice": "sides",
            "target_delimiter": "",
            "metric_list": [{"metric": "acc"}],
        },
    }
    (folder / "tasks").mkdir()
    for name, task in tasks.items():
        path = folder / f"{name}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in data[name]))
        task |= {"task": name, "dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(path)}}}
        task |= {"test_split": "test", "doc_to_text": ""}
        (folder / f"tasks/{name}.yaml").write_text(json.dumps(task))  # JSON is YAML
    options = {
        "pretrained": folder / "huggingface",
        "dtype": "float32",
        # Its sums too: in float32 a window of 200 nats is rounded to 1e-5.
        "softmax_dtype": "float64",
        # The exported tokenizer puts [BOS] first, and the harness does so too, as the prefix of the first window. Left
        # to itself it would have both and count the second one as a token of the text.
        "add_bos_token": False,
        # Of two windows with the same tokens, as in «El a a …», it would take the logits of the one for the other, and
        # does not mind that it predicts other positions.
        "logits_cache": False,
    }
    arguments = {
        "model": "hf",
        "model_args": ",".join(f"{name}={value}" for name, value in options.items()),
        "tasks": ",".join(tasks),
        "include_path": folder / "tasks",
        "device": "cpu",
        "batch_size": 8,
        "output_path": folder / "harness",
    }
    command = [HARNESS / "bin/lm_eval", "run", "--log_samples", *(f"--{name}={arguments[name]}" for name in arguments)]
    offline = dict.fromkeys(("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE", "DISABLE_MULTIPROC"), "1")
    environment = {**os.environ, **offline, "HF_HOME": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    samples = {}
    for name in tasks:
        (path,) = (folder / "harness").rglob(f"samples_{name}_*.jsonl")
        rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        samples[name] = sorted(rows, key=lambda row: row["doc_id"])
        assert [row["doc"] for row in samples[name]] == json.loads(json.dumps(data[name]))
    (path,) = (folder / "harness").rglob("results_*.json")
    totals = json.loads(path.read_text("utf-8"))["results"]["articles"]
    return samples["articles"], {key.removesuffix(",none"): value for key, value in totals.items()}, samples["pairs"]


def bits_per_byte(nll: npt.NDArray[np.float64], sizes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return nll / (sizes * math.log(2))


def test_every_document_costs_the_same(judged: Judged) -> None:
    ours, theirs = judged.ours, judged.theirs
    assert set(LENGTHS) <= set(ours["tokens"])
    assert ours["tokens"].max() > 10 * CONTEXT
    np.testing.assert_array_equal(theirs["bytes"], ours["bytes"])
    per_token = np.abs(theirs["nll"] - ours["nll"]) / ours["tokens"]
    per_byte = np.abs(bits_per_byte(theirs["nll"], theirs["bytes"]) - bits_per_byte(ours["nll"], ours["bytes"]))
    assert per_token.max() <= judged.tolerance
    assert per_byte.max() <= judged.tolerance


def test_the_whole_split_costs_the_same(judged: Judged) -> None:
    uncharged = judged.value("bits_per_byte_uncharged")
    assert judged.totals["bits_per_byte"] == pytest.approx(uncharged, rel=0, abs=judged.tolerance)
    if judged.name == "qwen":  # whose vocabulary writes everything
        assert judged.value("bits_per_byte") == uncharged
        words = math.log(judged.totals["word_perplexity"])
        assert words == pytest.approx(math.log(judged.value("word_perplexity")), rel=0, abs=20 * judged.tolerance)


def test_the_harness_does_not_charge_for_unknown_words(judged: Judged) -> None:
    """It divides by the bytes of words that the model only called [UNK]: of a word model its number is too good."""
    unknown = judged.ours["unknown"] > 0
    assert unknown.any() == (judged.name == "minigpt")
    charged = bits_per_byte(judged.ours["nll"] + judged.ours["spelling"], judged.ours["bytes"])
    difference = charged - bits_per_byte(judged.theirs["nll"], judged.theirs["bytes"])
    assert (difference[unknown] > 0.05).all()
    assert (np.abs(difference[~unknown]) <= judged.tolerance).all()


def test_both_sides_of_a_gender_pair_cost_the_same(judged: Judged, articles: Path) -> None:
    assert len(judged.pairs) > 100
    network, tokenizer = load(judged.folder)
    speller = Speller(tokenizer, read_split(articles, "train"))
    tokens, charged = sentence_bits(network, tokenizer, speller, judged.pairs)
    sides = list(zip(*judged.pairs, strict=True))
    spelling = np.array([[speller.cost(text, tokenizer.encode(text)) for text in side] for side in sides])
    difference = np.abs(charged - spelling / math.log(2) - judged.pair_bits)
    assert (difference / tokens).max() <= judged.tolerance


@pytest.mark.parametrize("mistake", ["prefix", "windows"])
def test_a_mistake_of_ours_would_be_noticed(judged: Judged, articles: Path, mistake: str) -> None:
    network, tokenizer = load(judged.folder)
    if mistake == "prefix":
        network.specials = Specials(bos=EOS)
    else:
        network.context -= 1
    encodings = tokenizer.encode_batch(read_split(articles, "test"), add_special_tokens=False)
    lengths = np.array([len(encoding) for encoding in encodings])
    nll = score_documents(network, [encoding.ids for encoding in encodings]).nll
    mistaken = np.bincount(np.repeat(np.arange(len(lengths)), lengths), nll)
    per_token = np.abs(mistaken - judged.theirs["nll"]) / lengths
    assert per_token.max() > 1e-3
    if mistake == "windows":
        assert per_token[lengths < CONTEXT].max() <= judged.tolerance

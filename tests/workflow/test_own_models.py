"""Models that were not written here go the same road as ours: a pretrained one and a class of one's own."""

import csv
import json
import math
import zipfile
from typing import Any

import pytest
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from minillm.corpus.tables import read_split

from .conftest import Project

CLASS = '''
"""A bag of words: the mean of what has been read."""
import torch


class Bag(torch.nn.Module):
    def __init__(self, vocabulary_size, width):
        super().__init__()
        self.table = torch.nn.Embedding(vocabulary_size, width)
        self.inner = torch.nn.Linear(width, width)
        self.output = torch.nn.Linear(width, vocabulary_size)

    def forward(self, ids):
        x = self.table(ids)
        seen = x.cumsum(1) / torch.arange(1, ids.shape[1] + 1, device=ids.device)[:, None]
        return self.output(torch.relu(self.inner(seen)))
'''
OVERLAY = """
run:
  models: [mine, other]
models:
  mine: {title: GPT-2 propio, pretrained: gpt2-mio, context: 48}
  other:
    title: Bolsa
    module: redes/bolsa.py:Bag
    options: {width: 16}
    context: 32
    vocabulary: bpe
    training: {steps: 12, batch_size: 8, optimizer: muon, warmup_steps: 2, evaluate_every: 4}
"""


def save_gpt2(project: Project) -> None:
    """A small GPT-2 with random weights, tied, whose tokenizer has fewer tokens than it has rows."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = read_split(project.folder / "data/encyclopedia/articles.parquet", "train")
    tokenizer.train_from_iterator(texts, trainer)
    end = "<|endoftext|>"
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=end, eos_token=end, unk_token=end)
    shape: dict[str, Any] = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 64, "vocab_size": 512}
    network = transformers.GPT2LMHeadModel(transformers.GPT2Config(**shape, bos_token_id=0, eos_token_id=0))
    network.save_pretrained(project.folder / "gpt2-mio")
    fast.save_pretrained(project.folder / "gpt2-mio")


def test_a_pretrained_model_and_a_class_go_the_whole_road(copy_of_finished: Project) -> None:
    project = copy_of_finished
    save_gpt2(project)
    (project.folder / "redes").mkdir()
    (project.folder / "redes/bolsa.py").write_text(CLASS, encoding="utf-8")
    smoke = project.folder / "config/smoke.yaml"
    text = smoke.read_text(encoding="utf-8")
    run, _, rest = OVERLAY.partition("models:\n  mine")
    smoke.write_text(
        text.replace("run:\n  name: smoke\n", run + "  name: smoke\n").replace("models:\n", f"models:\n  mine{rest}"),
        encoding="utf-8",
    )
    result = project.snakemake("results/smoke/paper/article.zip")
    assert result.returncode == 0, result.stdout
    results = project.folder / "results/smoke"
    with (results / "metrics.csv").open(encoding="utf-8", newline="") as stream:
        rows = {(row["metric"], row["model"], row["split"]): row["value"] for row in csv.DictReader(stream)}
    marks = {"unigram-mine", "unigram-bpe", "ngram-mine", "ngram-bpe", "xz"}
    assert {model for metric, model, _ in rows if metric == "bits_per_byte"} == {"mine", "other", *marks}
    assert rows["round_trip", "mine", "test"] == "1.0", "GPT-2's pieces of bytes lose nothing"
    assert [rows["leaks", model, "test"] for model in ("mine", "other")] == ["0.0", "0.0"]
    # Weights that nobody trained know nothing.
    assert float(rows["loss", "mine", "test"]) == pytest.approx(math.log(500), rel=0.02)
    mine = results / "models/encyclopedia/mine/seed-1"
    assert sorted(path.name for path in mine.iterdir()) == ["config.json", "model.safetensors", "tokenizer.json"]
    assert (results / "models/encyclopedia/other/seed-1/history.csv").exists()
    statistics = json.loads((project.folder / "data/encyclopedia/vocabulary/mine/statistics.json").read_text("utf-8"))
    assert (statistics["kind"], statistics["size"], statistics["splits"]["test"]["unknown"]) == ("pretrained", 500, 0)
    with zipfile.ZipFile(results / "paper/article.zip") as archive:
        article = archive.read("article.tex").decode()
    assert "«GPT{-}2 propio» se toma ya entrenado (arquitectura \\texttt{gpt2})" in article
    assert "«Bolsa» es una clase de PyTorch del usuario, \\texttt{redes/bolsa.py:Bag}" in article
    assert "Las piezas de GPT{-}2 propio son las de su propio vocabulario" in article

    # The class belongs to what is made from it, and to nothing else.
    assert project.planned("results/smoke/paper/article.zip") == {}
    project.edit("redes/bolsa.py", "torch.relu", "torch.tanh")
    planned = project.planned("train", "evaluate")
    assert (planned["train_model"], planned["audit_causality"]) == (1, 1)
    assert "adopt_model" not in planned

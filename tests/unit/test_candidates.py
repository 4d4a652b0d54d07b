"""The tables of what a model chose from and of what it consists of, against values worked out by hand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import nn

from minillm.evaluation.generation import Sampling, generate
from minillm.model.attention import Cache
from minillm.model.build import build_model
from minillm.model.config import MiniGPTConfig, QwenConfig
from minillm.model.language_model import LanguageModel
from minillm.studies import candidates, parameters
from minillm.studies.candidates import spelling, write_candidates
from minillm.studies.parameters import write_parameters
from minillm.training.saved import load_model
from minillm.vocabulary.tokenizer import BOS, EOS, PAD, UNK, Tokenizer, decode, encode, load_tokenizer


@pytest.fixture(scope="module")
def tokenizer(toy_corpus: Path) -> Tokenizer:
    return load_tokenizer(toy_corpus / "words.json")


class Known(LanguageModel):
    """A model that gives the same probabilities to the tokens 4, 5, 6, 7 and [EOS] at each step."""

    context = 9

    def __init__(self, probabilities: list[float], size: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.full((size,), -torch.inf))
        with torch.no_grad():
            self.logits[[4, 5, 6, 7, EOS]] = torch.tensor(probabilities).log()

    def forward(self, ids_BT: torch.Tensor, *, last_only: bool = False, cache: Cache | None = None) -> torch.Tensor:
        return self.logits.expand(ids_BT.shape[0], 1, -1)

    def token_embedding(self) -> nn.Embedding:
        pytest.fail("a table of candidates asks for logits and nothing else")

    def output_layer(self) -> None:
        pytest.fail("a table of candidates asks for logits and nothing else")


def cells(lines: list[str]) -> list[list[str]]:
    """Of the lines of candidates."""
    assert lines[1] == "step  rank  probability    token"
    return [line.split() for line in lines[2:]]


def test_a_greedy_text(tokenizer: Tokenizer) -> None:
    """The model's own probabilities, the most probable first, each step's number once."""
    names = [spelling(tokenizer, id_) for id_ in range(8)]
    model = Known([0.125, 0.5, 0.25, 0.0625, 0.0625], tokenizer.get_vocab_size())
    lines = list(candidates.table(model, tokenizer, "La villa", 2, 3, Sampling(), seed=1))
    assert lines[0] == "prompt: La|␣villa"
    assert lines[2:5] == [
        f"   1     1       0.5000  > {names[5]}",
        f"         2       0.2500    {names[6]}",
        f"         3       0.1250    {names[4]}",
    ]
    assert [line[4:] for line in lines[5:]] == [line[4:] for line in lines[2:5]]
    assert [line[:4].strip() for line in lines[2:]] == ["1", "", "", "2", "", ""]


def test_a_drawn_text(tokenizer: Tokenizer) -> None:
    """Squared at temperature 0.5 and divided by what the nucleus has: 4 : 1 of the two that are left."""
    model = Known([0.125, 0.5, 0.25, 0.0625, 0.0625], tokenizer.get_vocab_size())
    way = Sampling(temperature=0.5, top_p=0.9)
    lines = list(candidates.table(model, tokenizer, "La villa", 40, 3, way, seed=1))
    found = cells(lines)
    assert len(found) == 80, "what is not drawn from is no candidate"
    assert {(cell[-1], cell[-2] if cell[-2] != ">" else cell[-3]) for cell in found} == {
        (spelling(tokenizer, 5), "0.8000"),
        (spelling(tokenizer, 6), "0.2000"),
    }
    chosen = [cell[-1] for cell in found if ">" in cell]
    assert len(chosen) == 40
    assert set(chosen) == {spelling(tokenizer, 5), spelling(tokenizer, 6)}


def test_a_chosen_token_that_is_not_among_the_first_has_its_rank(tokenizer: Tokenizer) -> None:
    model = Known([0.0, 0.75, 0.24999, 0.00001, 0.0], tokenizer.get_vocab_size())
    way = Sampling(temperature=1.0)
    found = [cells(list(candidates.table(model, tokenizer, "La", 1, 1, way, seed))) for seed in range(20)]
    second = next(rows for rows in found if len(rows) == 2)
    first, chosen = spelling(tokenizer, 5), spelling(tokenizer, 6)
    assert second == [["1", "1", "0.7500", first], ["2", "0.2500", ">", chosen]]
    assert [["1", "1", "0.7500", ">", first]] in found
    rows = cells(list(candidates.table(model, tokenizer, "La", 1, 9, way, seed=1)))
    assert rows[-1] == ["3", "<0.0001", spelling(tokenizer, 7)]


def test_the_end_of_a_text_is_a_candidate(tokenizer: Tokenizer) -> None:
    model = Known([0.1, 0.1, 0.1, 0.1, 0.6], tokenizer.get_vocab_size())
    rows = cells(list(candidates.table(model, tokenizer, "La", 7, 1, Sampling(), seed=1)))
    assert rows == [["1", "1", "0.6000", ">", "[EOS]"]]


def test_how_tokens_are_spelt(toy_corpus: Path, tokenizer: Tokenizer) -> None:
    assert [spelling(tokenizer, id_) for id_ in (PAD, UNK, BOS, EOS)] == ["[PAD]", "␣[UNK]", "[BOS]", "[EOS]"]
    bpe = load_tokenizer(toy_corpus / "bpe.json")
    assert [spelling(bpe, id_) for id_ in encode(bpe, "a ñ\n\nb")] == ["a", "␣", "Ã", "±", "⏎", "⏎", "b"]
    assert spelling(bpe, bpe.token_to_id("Ä") or 0) == "Ä", "a byte that begins a character has no text of its own"
    assert "\x1b" not in spelling(bpe, bpe.token_to_id("ě") or 0)


def test_the_stage(toy_corpus: Path, save_tiny: Callable[..., tuple[Path, Path]], tmp_path: Path) -> None:
    """Twice the same bytes; the marked tokens are the text that `generate` writes."""
    weights, description = save_tiny(24)

    def run(name: str) -> str:
        arguments = weights, description, toy_corpus / "words.json", "La villa", 6, 1, "cpu"
        write_candidates(*arguments, tmp_path / name)
        return (tmp_path / name).read_text(encoding="utf-8")

    written = run("a.txt")
    assert run("b.txt") == written
    tokenizer = load_tokenizer(toy_corpus / "words.json")
    model = load_model(weights, description, torch.device("cpu"))
    (ids,) = generate(model, [encode(tokenizer, "La villa")], 6)
    chosen = [line.rpartition("> ")[2] for line in written.splitlines() if "  > " in line]
    assert "".join(chosen).removesuffix("[EOS]").replace("␣", " ").replace("⏎", "\n") == decode(tokenizer, ids)
    assert len(ids) > 2
    with pytest.raises(ValueError, match="the prompt has 8 tokens, and the model sees 7 at once"):
        write_candidates(weights, description, toy_corpus / "words.json", "La villa " * 4, 1, 1, "cpu", tmp_path)


# Parameters


def rows_of(model: nn.Module) -> dict[str, list[str]]:
    """Shape, numbers and meaning of each tensor, by its name."""
    header, *lines = parameters.table(model)
    starts = [header.index(title) for title in ("name", "shape", "numbers", "what it is")]
    rows = {}
    for line in lines:
        name, shape = line[: starts[1]].strip(), line[starts[1] : starts[2]].strip()
        count, _, meaning = line[starts[1] + len(shape) :].strip().partition("  ")
        rows[name] = [shape, count, meaning]
    return rows


def test_parameters_of_a_minigpt() -> None:
    config = MiniGPTConfig(layers=1, width=8, heads=2, feed_forward=12, context=6, positions="learned")
    rows = rows_of(build_model(config, 1000))
    assert rows == {
        "positions_TD": ["6 × 8", "48", "position embeddings"],
        "embedding.weight": ["1000 × 8", "8,000", "token embeddings, a row each"],
        "blocks.0.attention_norm.weight": ["8", "8", "attention, its normalisation, scale"],
        "blocks.0.attention_norm.bias": ["8", "8", "attention, its normalisation, shift"],
        "blocks.0.attention.query_key_value.weight": [
            "24 × 8",
            "192",
            "attention, queries, keys and values of all heads, weights (out × in)",
        ],
        "blocks.0.attention.query_key_value.bias": [
            "24",
            "24",
            "attention, queries, keys and values of all heads, bias",
        ],
        "blocks.0.attention.output.weight": [
            "8 × 8",
            "64",
            "attention, output that mixes the heads, weights (out × in)",
        ],
        "blocks.0.attention.output.bias": ["8", "8", "attention, output that mixes the heads, bias"],
        "blocks.0.feed_forward_norm.weight": ["8", "8", "feed-forward, its normalisation, scale"],
        "blocks.0.feed_forward_norm.bias": ["8", "8", "feed-forward, its normalisation, shift"],
        "blocks.0.feed_forward.expand.weight": ["12 × 8", "96", "feed-forward, to the inner width, weights (out × in)"],
        "blocks.0.feed_forward.expand.bias": ["12", "12", "feed-forward, to the inner width, bias"],
        "blocks.0.feed_forward.contract.weight": [
            "8 × 12",
            "96",
            "feed-forward, back to the width, weights (out × in)",
        ],
        "blocks.0.feed_forward.contract.bias": ["8", "8", "feed-forward, back to the width, bias"],
        "norm.weight": ["8", "8", "last normalisation, scale"],
        "norm.bias": ["8", "8", "last normalisation, shift"],
        "head.weight": ["1000 × 8", "8,000", "output layer, a logit for each token, weights (out × in)"],
        "total": ["", "16,596", ""],
    }


def test_tied_tensors_are_counted_once() -> None:
    qwen = build_model(QwenConfig(architecture="qwen", layers=1, width=8, heads=2, feed_forward=12, context=6), 50)
    assert rows_of(qwen)["embedding.weight"][2] == "token embeddings, a row each; the output layer is the same"
    gpt2 = transformers.GPT2LMHeadModel(transformers.GPT2Config(n_embd=8, n_layer=1, n_head=2, vocab_size=50))
    rows = rows_of(gpt2)
    assert rows["lm_head.weight"] == [
        "50 × 8",
        "–",
        "output layer, a logit for each token, weights (out × in); tied: the same tensor as transformer.wte.weight",
    ]
    assert rows["transformer.h.0.attn.c_attn.weight"][2].endswith("weights (in × out)")
    for model in (qwen, gpt2):
        counts = [row[1].replace(",", "") for row in rows_of(model).values()]
        assert sum(int(count) for count in counts[:-1] if count != "–") == int(counts[-1])
        assert int(counts[-1]) == sum(parameter.numel() for parameter in model.parameters())


SMALL: dict[str, Any] = {
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "vocab_size": 50,
}


@pytest.mark.parametrize(
    "config",
    [
        transformers.GPT2Config(n_embd=8, n_layer=1, n_head=2, vocab_size=50),
        transformers.GPTNeoConfig(
            hidden_size=8, num_layers=1, num_heads=2, attention_types=[[["global"], 1]], vocab_size=50
        ),
        transformers.GPTNeoXConfig(**SMALL),
        transformers.LlamaConfig(**SMALL),
        transformers.Qwen3Config(**SMALL, num_key_value_heads=1, head_dim=4),
        transformers.MistralConfig(**SMALL, num_key_value_heads=1),
    ],
    ids=lambda config: config.model_type,
)
def test_the_usual_names_of_transformers_are_known(config: Any) -> None:
    rows = rows_of(transformers.AutoModelForCausalLM.from_config(config))
    kinds = (
        "token emb",
        "position emb",
        "attention, ",
        "normalisation behind",
        "feed-forward, ",
        "last norm",
        "output layer",
    )
    assert [name for name, row in rows.items() if name != "total" and not row[2].startswith(kinds)] == []
    assert sum(row[2].startswith("token embeddings") for row in rows.values()) == 1
    assert sum(row[2].startswith("last normalisation, scale") for row in rows.values()) == 1


def test_of_other_layers_the_kind_is_said() -> None:
    class Other(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.lstm = nn.Embedding(9, 4), nn.LSTM(4, 3, batch_first=True)
            self.answers, self.scale = nn.Linear(3, 9), nn.Parameter(torch.ones(2))
            self.layers = nn.ModuleList([nn.LayerNorm(3)])

    rows = rows_of(Other())
    assert rows["table.weight"][2] == "Embedding, a row each"
    assert rows["lstm.weight_hh_l0"] == ["12 × 3", "36", "LSTM, weight_hh_l0"]
    assert rows["answers.weight"][2] == "linear layer from 3 to 9, weights (out × in)"
    assert rows["layers.0.bias"][2] == "LayerNorm, shift"
    assert rows["scale"] == ["2", "2", "Other"]


def test_the_table_as_a_file(save_tiny: Callable[..., tuple[Path, Path]], tmp_path: Path) -> None:
    weights, description = save_tiny(24)
    write_parameters(weights, description, tmp_path / "parameters.txt")
    model = load_model(weights, description, torch.device("cpu"))
    written = (tmp_path / "parameters.txt").read_text(encoding="utf-8")
    assert written.splitlines() == list(parameters.table(model))
    assert written.splitlines()[-1].split() == ["total", f"{sum(p.numel() for p in model.parameters()):,}"]

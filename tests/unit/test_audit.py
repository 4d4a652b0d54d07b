"""`minillm audit` as a person uses it: models that leak and models that do not, and what it says of each."""

import io
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import nn
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from minillm.cli import main
from minillm.evaluation.audit import audit, fault_of_mask
from minillm.model.build import build_model
from minillm.model.config import MiniGPTConfig
from minillm.training.saved import save_model

NETWORKS = '''
import torch
from torch import nn

ZEROS = torch.zeros(64, 64)
PAST = torch.ones(64, 64).tril().bool()
MASKS = {
    "zeros": ZEROS,
    "causal": nn.Transformer.generate_square_subsequent_mask(64),
    "boolean": ~PAST,
    "past": PAST.tril(-1),
    "nothing_left": PAST,
    "numbers": PAST.float(),
    "one_ahead": (~PAST).triu(2),
    "none": None,
}


class Encoder(nn.Module):
    def __init__(self, vocabulary_size, mask="zeros", batch_first=True, transposed=True):
        super().__init__()
        self.table = nn.Embedding(vocabulary_size, 16)
        self.places = nn.Embedding(64, 16)
        layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.1, batch_first=batch_first)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.output = nn.Linear(16, vocabulary_size)
        self.mask, self.transposed = MASKS[mask], transposed and not batch_first

    def forward(self, ids):
        time = ids.shape[1]
        x = self.table(ids) + self.places(torch.arange(time, device=ids.device))
        mask = None if self.mask is None else self.mask[:time, :time].to(ids.device)
        if self.transposed:
            return self.output(self.encoder(x.transpose(0, 1), mask=mask).transpose(0, 1))
        return self.output(self.encoder(x, mask=mask))


class Decoder(Encoder):
    """Reads its own text as memory, too."""

    def __init__(self, vocabulary_size):
        super().__init__(vocabulary_size, "causal")
        self.encoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(16, 2, 32, batch_first=True), 1)

    def forward(self, ids):
        x = self.table(ids)
        return self.output(self.encoder(x, x, tgt_mask=self.mask[: ids.shape[1], : ids.shape[1]].to(ids.device)))


class Recurrent(nn.Module):
    def __init__(self, vocabulary_size, bidirectional=True):
        super().__init__()
        self.table = nn.Embedding(vocabulary_size, 16)
        self.lstm = nn.LSTM(16, 8, bidirectional=bidirectional, batch_first=True)
        self.output = nn.Linear(16 if bidirectional else 8, vocabulary_size)

    def forward(self, ids):
        return self.output(self.lstm(self.table(ids))[0])


class Mean(nn.Module):
    def __init__(self, vocabulary_size):
        super().__init__()
        self.table, self.output = nn.Embedding(vocabulary_size, 16), nn.Linear(16, vocabulary_size)

    def forward(self, ids):
        x = self.table(ids)
        return self.output(x + x.mean(1, keepdim=True))


class OneLength(Encoder):
    def forward(self, ids):
        x = self.table(ids)
        return self.output(self.encoder(x, mask=self.mask))


class Noisy(Mean):
    def forward(self, ids):
        return self.output(nn.functional.dropout(self.table(ids)))


class OneHot(Mean):
    def forward(self, ids):
        return self.output(nn.functional.one_hot(ids, len(self.table.weight)).float() @ self.table.weight)


class NoNumbers(Mean):
    def forward(self, ids):
        return super().forward(ids).log()


class Last(Mean):
    def forward(self, ids):
        return super().forward(ids)[:, -1]


class Images(Mean):
    def forward(self, images):
        return self.output(images.float())
'''


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "nets.py").write_text(NETWORKS, encoding="utf-8")
    return tmp_path / "nets.py"


def run(what: object, *options: str, **more: Any) -> tuple[int, str]:
    """The exit status and what is printed."""
    stream = io.StringIO()
    settings = {"vocabulary_size": None, "context": None, **more}
    return audit(str(what), stream, options=list(options), **settings), stream.getvalue()


# Classes in a file

ADVICE = "Give it torch.nn.Transformer.generate_square_subsequent_mask(T)."


@pytest.mark.parametrize("batch_first", ["true", "false"])
@pytest.mark.parametrize(
    ("mask", "fault"),
    [
        ("zeros", "with a mask of shape (64, 64) that is 0 everywhere: adding 0 hides nothing"),
        ("none", "without a mask, so that every position sees all others"),
        ("past", "with a mask of shape (64, 64) that is the wrong way round: True hides, and here it hides the past"),
        (
            "numbers",
            "with a mask of shape (64, 64) that holds numbers from 0 to 1: they are added to the scores, and only "
            "-inf hides",
        ),
        ("one_ahead", "with a mask of shape (64, 64) that lets position 0 see position 1"),
    ],
)
def test_an_encoder_without_a_causal_mask(file: Path, mask: str, fault: str, batch_first: str) -> None:
    """One of the originals gave its encoder a mask of zeros."""
    status, said = run(f"{file}:Encoder", f'mask="{mask}"', f"batch_first={batch_first}")
    assert status == 1
    assert "nets.py:Encoder: LEAKS. It sees tokens" in said
    assert "edits          FAILED" in said
    assert "gradient       FAILED" in said
    assert "batch          passed" in said
    assert said.endswith(f"What to change:\n- TransformerEncoder «encoder» is called {fault}. {ADVICE}\n")


@pytest.mark.parametrize("batch_first", ["true", "false"])
@pytest.mark.parametrize("mask", ["causal", "boolean"])
def test_an_encoder_with_one(file: Path, mask: str, batch_first: str) -> None:
    status, said = run(f"{file}:Encoder", f'mask="{mask}"', f"batch_first={batch_first}")
    assert status == 0
    assert "Encoder: causal." in said
    assert "FAILED" not in said
    assert "untrained: a pass says nothing" in said
    assert said.endswith("Tried with up to 64 tokens.\n")


def test_within_a_minute_from_the_command_line(file: Path) -> None:
    """In a process of its own, as it is typed."""
    start = time.monotonic()
    command = [sys.executable, "-c", "from minillm.cli import main; raise SystemExit(main())", "audit"]
    done = subprocess.run([*command, f"{file}:Encoder", "--context", "32"], capture_output=True, text=True, check=False)
    assert time.monotonic() - start < 60
    assert done.returncode == 1
    assert "mask of shape (32, 32) that is 0 everywhere" in done.stdout


def test_a_mask_that_leaves_nothing_to_see(file: Path) -> None:
    """The wrong way round and with the position itself: torch's fast path, which no training takes, would give NaN."""
    before = torch.backends.mha.get_fastpath_enabled()
    status, said = run(f"{file}:Encoder", 'mask="nothing_left"')
    assert status == 1
    assert "the wrong way round: True hides, and here it hides the past" in said
    assert torch.backends.mha.get_fastpath_enabled() == before


@pytest.mark.parametrize(
    ("name", "options", "advice"),
    [
        ("Decoder", [], "TransformerDecoder «encoder» is called without a memory_mask"),
        ("Recurrent", [], "LSTM «lstm» also reads from the end: build it with bidirectional=False."),
        ("Mean", [], "How its layers are called does not explain it. Look for"),
    ],
)
def test_other_leaks(file: Path, name: str, options: list[str], advice: str) -> None:
    status, said = run(f"{file}:{name}", *options)
    assert status == 1
    assert said.partition("What to change:\n- ")[2].startswith(advice)


def test_in_one_direction_it_passes(file: Path) -> None:
    assert run(f"{file}:Recurrent", "bidirectional=false")[0] == 0


def test_time_taken_for_the_batch(file: Path) -> None:
    """Without batch_first the encoder attends over the batch: no text sees its own future, or its past."""
    status, said = run(f"{file}:Encoder", 'mask="none"', "batch_first=false", "transposed=false")
    assert status == 1
    assert "LEAKS. What it says of a text depends on the other texts of its batch." in said
    assert "edits          passed" in said
    assert "- The texts of a batch see each other: " in said
    assert "the answer is in the input" not in said


@pytest.mark.parametrize(
    ("name", "more", "message"),
    [
        ("Nobody", {}, r"has no class Nobody"),
        ("Encoder", {"options": ["depth=3"]}, r"Encoder\(101, \*\*options\).*TypeError"),
        ("Encoder", {"options": ["mask=zeros"]}, r"--option mask=zeros: write name=value with a value in JSON"),
        (
            "Encoder",
            {"context": 65, "options": ['mask="none"']},
            r"up to 65 tokens it fails: IndexError.*smaller --context",
        ),
        ("Encoder", {"context": 1}, r"--context 1: give at least 2"),
        ("Encoder", {"vocabulary_size": 5}, r"--vocabulary-size 5: give at least 6"),
        ("Noisy", {}, r"other logits for the same ids"),
        ("NoNumbers", {}, r"no numbers \(NaN\)"),
        ("OneHot", {}, r"must call the table"),
        ("Last", {}, r"must give logits \(batch, time, vocabulary\), here \(1, 64, 101\).*found the shape \(1, 101\)"),
        ("Images", {}, r"must take ids \(batch, time\) .*with up to 64 tokens it fails: RuntimeError"),
        ("OneLength", {}, r"of any length up to its context; .*it fails: RuntimeError"),
    ],
)
def test_what_cannot_be_audited(file: Path, name: str, more: dict[str, Any], message: str) -> None:
    options = more.pop("options", [])
    with pytest.raises(ValueError, match=message):
        run(f"{file}:{name}", *options, **more)


def test_exit_status_and_one_line(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for what, status in ((f"{file}:Recurrent", 1), (f"{file}:Noisy", 2), (f"{file.parent}", 2)):
        monkeypatch.setattr(sys, "argv", ["minillm", "audit", what])
        assert main() == status
        assert len(capsys.readouterr().err.splitlines()) == (1 if status == 2 else 0)
    monkeypatch.setattr(sys, "argv", ["minillm", "audit", f"{file}:Recurrent", "--option", "bidirectional=false"])
    assert main() == 0


def test_masks_as_torch_reads_them() -> None:
    """Against what an attention layer really does with them: by a change of the last token."""
    torch.manual_seed(0)
    attention = nn.MultiheadAttention(8, 2, batch_first=True).eval()
    x_1TD = torch.randn(1, 4, 8)
    other_1TD = torch.cat((x_1TD[:, :3], torch.randn(1, 1, 8)), dim=1)
    past = torch.ones(4, 4).tril().bool()
    floating = torch.zeros(4, 4).masked_fill(~past, -torch.inf)
    masks = [floating, floating.clamp(min=-1e9), ~past, past.tril(-1), floating * 0, past.float(), floating.T, None]
    masks = [mask if mask is None else mask.nan_to_num(0.0, neginf=-torch.inf) for mask in masks[:-1]] + [None]
    for number, mask in enumerate(masks):
        with torch.no_grad():
            one, two = (attention(x, x, x, attn_mask=mask)[0][:, :3].nan_to_num() for x in (x_1TD, other_1TD))
        assert (fault_of_mask("attn_mask", mask) is None) == torch.equal(one, two) == (number < 3)


# Models of transformers

SHAPE: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 32,
    "vocab_size": 80,
}
CONFIGS = {
    "gpt2": transformers.GPT2Config(n_embd=16, n_layer=2, n_head=2, n_positions=32, vocab_size=80),
    "qwen3": transformers.Qwen3Config(**SHAPE, num_key_value_heads=1, head_dim=8),
    "llama": transformers.LlamaConfig(**SHAPE),
    "decoder": transformers.BertConfig(**SHAPE, is_decoder=True),
    "encoder": transformers.BertConfig(**SHAPE, is_decoder=False),
}


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[str], Path]:
    """Saves a model with random weights, as a user would have it; the audit needs no tokenizer."""

    def save(name: str) -> Path:
        torch.manual_seed(0)
        model = transformers.AutoModelForCausalLM.from_config(CONFIGS[name])
        for parameter in model.parameters():
            nn.init.normal_(parameter, std=0.3)
        model.save_pretrained(tmp_path / name)
        return tmp_path / name

    return save


PADDINGS = ("", ", padding on the right", ", padding on the left")


@pytest.mark.parametrize("name", ["gpt2", "qwen3", "llama", "decoder"])
def test_causal_models_pass_in_every_way(saved: Callable[[str], Path], name: str) -> None:
    status, said = run(saved(name))
    assert status == 0
    assert f"{name}: causal." in said
    ways = [f"{kernel}{padding}" for kernel in ("sdpa", "eager") for padding in PADDINGS]
    assert said.endswith(f"Tried with up to 32 tokens, computed in 6 ways: {'; '.join(ways)}.\n")


def test_an_encoder_loaded_as_a_decoder(saved: Callable[[str], Path]) -> None:
    status, said = run(saved("encoder"))
    assert status == 1
    assert "encoder: LEAKS. It sees" in said
    assert "«is_decoder: true»" in said.partition("What to change:")[2]


def unmasked(kernel: str, padded: bool | None) -> Callable[..., Any]:
    """A kernel of attention of transformers that loses its mask, if its batch is padded or if it is not."""
    sound = (
        ALL_ATTENTION_FUNCTIONS[kernel]
        if kernel == "sdpa"
        else transformers.models.llama.modeling_llama.eager_attention_forward
    )

    def attention(module: Any, query: Any, key: Any, value: Any, mask: Any, **more: Any) -> Any:
        has_padding = query.shape[0] == 2 and mask is not None
        if padded is None or padded == has_padding:
            if mask is not None:  # what hides the future goes, what hides padding stays
                mask = mask[:, :, -1:].expand_as(mask)
            more["is_causal"] = False
        return sound(module, query, key, value, mask, **more)

    return attention


@pytest.mark.parametrize(
    ("kernel", "padded", "ways", "advice"),
    [
        ("sdpa", None, ["sdpa", "sdpa, padding on the right", "sdpa, padding on the left"], "eager"),
        ("sdpa", False, ["sdpa"], "eager"),
        ("sdpa", True, ["sdpa, padding on the right", "sdpa, padding on the left"], "eager"),
        ("eager", None, ["eager", "eager, padding on the right", "eager, padding on the left"], "sdpa"),
    ],
    ids=["sdpa", "sdpa without padding", "sdpa with padding", "eager"],
)
def test_a_leak_of_one_kernel(
    saved: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    kernel: str,
    padded: bool | None,
    ways: list[str],
    advice: str,
) -> None:
    """As transformers had: under sdpa alone, and only in a batch without padding (issue 48770)."""
    if kernel == "sdpa":
        monkeypatch.setitem(ALL_ATTENTION_FUNCTIONS._global_mapping, "sdpa", unmasked(kernel, padded))
    else:
        monkeypatch.setattr(
            "transformers.models.llama.modeling_llama.eager_attention_forward", unmasked(kernel, padded)
        )
    status, said = run(saved("llama"))
    assert status == 1
    assert f"llama: LEAKS in these ways: {'; '.join(ways)}. It sees" in said
    assert f'Load it with attn_implementation="{advice}"' in said
    assert "not all of them are right" in said


def test_padding_that_is_not_hidden(saved: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """No leak of the future, but logits that change with padding on the left."""
    sound = ALL_ATTENTION_FUNCTIONS["sdpa"]

    def deaf(module: Any, query: Any, key: Any, value: Any, mask: Any, **more: Any) -> Any:
        return sound(module, query, key, value, None, **{**more, "is_causal": True})

    monkeypatch.setitem(ALL_ATTENTION_FUNCTIONS._global_mapping, "sdpa", deaf)
    status, said = run(saved("llama"))
    assert status == 0
    assert "not all of them are right" in said


def test_options_are_for_classes(saved: Callable[[str], Path]) -> None:
    with pytest.raises(ValueError, match="are for a class in a file"):
        run(saved("gpt2"), vocabulary_size=80)
    with pytest.raises(ValueError, match=r"--context 33: .*at most 32"):
        run(saved("gpt2"), context=33)


# Models of the project


@pytest.mark.parametrize("causal", [True, False])
def test_a_folder_of_a_run(tmp_path: Path, causal: bool) -> None:
    config = MiniGPTConfig(layers=1, width=16, heads=2, feed_forward=16, context=12, causal=causal)
    torch.manual_seed(0)
    model = build_model(config, 30)
    save_model(tmp_path / "model.safetensors", tmp_path / "config.json", config, 30, model.state_dict())
    status, said = run(tmp_path)
    assert status == (0 if causal else 1)
    assert "computed in 2 ways: fused attention; explicit attention weights." in said
    assert ("Train it with «causal: true»" in said) != causal

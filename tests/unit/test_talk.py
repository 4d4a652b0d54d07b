"""What a person types to talk to a model: which model is meant, what appears, what is said when it cannot be done."""

import io
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tokenizers import Tokenizer

from minillm import cli
from minillm.evaluation.generation import Sampling, generate
from minillm.model.attention import Cache
from minillm.model.build import build_model
from minillm.model.config import MiniGPTConfig, ModuleConfig, QwenConfig
from minillm.model.language_model import LanguageModel
from minillm.studies.candidates import spelling
from minillm.studies.models import find, load, trained
from minillm.studies.talk import ANSWER, PLAIN, PROMPT, harmless, pieces, talk
from minillm.training.saved import load_model, save_model
from minillm.vocabulary.tokenizer import EOS, decode, encode, load_tokenizer

MINILLM = Path(sys.executable).with_name("minillm")
SECONDS = 60.0  # to wait for what comes within five on a quiet machine
EMOJI = "🙂"
SHAPE: dict[str, Any] = {"layers": 1, "width": 16, "heads": 2, "feed_forward": 16, "context": 24, "dropout": 0.0}


@pytest.fixture
def project(tmp_path: Path, toy_corpus: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Makes an empty project the current folder; call it to add a trained model to the results."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NO_COLOR", raising=False)

    def add(name: str = "improved", run: str = "one", seed: int = 1, vocabulary: str = "bpe", age: int = 0) -> Path:
        folder = Path("results") / run / "models" / "toy" / name / f"seed-{seed}"
        tokenizer = toy_corpus / f"{vocabulary}.json"
        size = load_tokenizer(tokenizer).get_vocab_size()
        config = QwenConfig(architecture="qwen", **SHAPE) if vocabulary == "bpe" else MiniGPTConfig(**SHAPE)
        torch.manual_seed(seed)
        model = build_model(config, size)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.normal_(std=0.4)
        save_model(folder / "model.safetensors", folder / "config.json", config, size, model.state_dict(), tokenizer)
        os.utime(folder / "model.safetensors", (time.time() - age,) * 2)
        return folder

    return add


def typed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of a command that is typed."""
    monkeypatch.setattr(sys, "argv", ["minillm", *words])
    status = cli.main()
    captured = capsys.readouterr()
    return status, captured.out, captured.err


Typed = Callable[..., tuple[int, str, str]]


@pytest.fixture(name="type_")
def type_fixture(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Typed:
    return lambda *words: typed(capsys, monkeypatch, *words)


# Which model is meant


def test_a_name_of_the_results_is_that_of_the_newest_run(project: Callable[..., Path], type_: Typed) -> None:
    old, new = project(run="old", age=100), project(run="new", seed=10)
    other = project(run="new", seed=2, age=50)
    project("another", run="newest")
    status, _, told = type_("generate", "El río", "--max-new-tokens", "1")
    assert (status, told) == (0, f"improved: {other}\n")
    assert find("improved") == str(other), "the newest run, and of its seeds the first"
    assert find("another") == "results/newest/models/toy/another/seed-1"
    assert trained()[1:] == [other, new, old]


def test_what_a_training_writes_is_whole(project: Callable[..., Path], toy_corpus: Path) -> None:
    """Its folder alone is enough, wherever it is; one that lost its tokenizer is told."""
    folder = project()
    assert (folder / "tokenizer.json").read_bytes() == (toy_corpus / "bpe.json").read_bytes()
    shutil.move(folder, "elsewhere")
    model, tokenizer = load("elsewhere")
    assert model.context == 24
    assert tokenizer.to_str() == load_tokenizer(toy_corpus / "bpe.json").to_str()
    Path("elsewhere/tokenizer.json").unlink()
    with pytest.raises(ValueError, match=r"elsewhere has no tokenizer\.json"):
        load("elsewhere")


@pytest.fixture
def gpt2(tmp_path: Path, toy_corpus: Path) -> Path:
    """A tiny GPT-2 as save_pretrained writes it."""
    tokenizer = load_tokenizer(toy_corpus / "bpe.json")
    size = tokenizer.get_vocab_size()
    config = transformers.GPT2Config(
        n_embd=16, n_layer=2, n_head=2, n_positions=24, vocab_size=size, bos_token_id=EOS, eos_token_id=EOS
    )
    torch.manual_seed(0)
    network = transformers.GPT2LMHeadModel(config)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    network.save_pretrained(tmp_path / "gpt2-tiny")
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="[EOS]", bos_token="[EOS]")
    fast.save_pretrained(tmp_path / "gpt2-tiny")
    return tmp_path / "gpt2-tiny"


def test_a_model_of_transformers_writes_what_transformers_lets_it_write(gpt2: Path, type_: Typed) -> None:
    """Greedily, through its own cache here and there."""
    network = transformers.AutoModelForCausalLM.from_pretrained(gpt2)
    tokenizer = load_tokenizer(gpt2 / "tokenizer.json")
    ids = [EOS, *encode(tokenizer, "El río")]
    (theirs,) = network.generate(torch.tensor([ids]), max_new_tokens=12, do_sample=False, pad_token_id=0).tolist()
    answer = decode(tokenizer, theirs[1:])
    status, written, told = type_(
        "generate", "El río", "--model", str(gpt2), "--temperature", "0", "--max-new-tokens", "12"
    )
    assert (status, told) == (0, "")
    assert written.rstrip("\n") == harmless(answer.rstrip("\ufffd"))
    assert load(str(gpt2))[0].new_cache() is not None


def test_a_model_that_is_nowhere(project: Callable[..., Path], type_: Typed) -> None:
    for command in (("generate", "El río", "--model"), ("tokens", "El río", "--model"), ("parameters",)):
        status, written, told = type_(*command, "./improvd")
        assert (status, written) == (1, "")
        assert told == (
            f"minillm {command[0]}: there is no model './improvd': no folder with a config.json, not one of those in "
            "results/ (none yet)\n"
        )
    project()
    project("baseline", seed=1)
    project("baseline", seed=2)
    status, _, told = type_("generate", "El río", "--model", "improvd")
    asking, line = told.splitlines()
    assert (status, asking) == (1, "improvd: asking Hugging Face's hub")
    assert "not one of those in results/ (baseline, improved), and none that the hub gives (" in line


# What appears


class OnePath(LanguageModel):
    """A model that after each token says one other."""

    def __init__(self, following: dict[int, int], size: int) -> None:
        super().__init__()
        self.table = torch.nn.Parameter(torch.zeros(size, size))
        with torch.no_grad():
            for before, after in following.items():
                self.table[before, after] = 50.0
        self.context = 99

    def forward(self, ids_BT: torch.Tensor, *, last_only: bool = False, cache: Cache | None = None) -> torch.Tensor:
        return self.table[ids_BT[:, -1:]]

    def token_embedding(self) -> torch.nn.Embedding:
        pytest.fail("talking asks for logits and nothing else")

    def output_layer(self) -> None:
        pytest.fail("talking asks for logits and nothing else")


def saying(tokenizer: Tokenizer, ids: list[int]) -> tuple[LanguageModel, list[int]]:
    """A model that goes on with these tokens, all different, and a prompt for it."""
    prompt = encode(tokenizer, "El")
    assert len({*prompt, *ids}) == len(prompt) + len(ids)
    path = [*prompt, *ids, EOS]
    return OnePath(dict(pairwise(path)), tokenizer.get_vocab_size()), prompt


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([("a", 1), ("b", 1)], ["a", "b"]),
        ([("a", 1), (EMOJI, 4), ("b", 1)], ["a", EMOJI, "b"]),
        ([("a", 1), (EMOJI, 3)], ["a"]),  # cut off within the character
        ([("a", 1), (EMOJI, 2), ("b", 1)], ["a", "\ufffdb"]),  # these bytes are no character
    ],
    ids=["letters", "emoji", "cut off", "no character"],
)
def test_only_whole_characters_appear(toy_corpus: Path, said: list[tuple[str, int]], expected: list[str]) -> None:
    """Of each character the model says so many bytes, a token each."""
    tokenizer = load_tokenizer(toy_corpus / "bpe.json")
    assert len(encode(tokenizer, EMOJI)) == 4
    model, prompt = saying(tokenizer, [id_ for text, count in said for id_ in encode(tokenizer, text)[:count]])
    assert list(pieces(model, tokenizer, prompt, 30, Sampling(), seed=1)) == expected


def test_the_space_between_prompt_and_answer_stays(toy_corpus: Path) -> None:
    """Also of vocabularies whose decoder drops the space of a first token."""
    from tokenizers import decoders, pre_tokenizers
    from tokenizers import models as kinds

    vocabulary = {"[PAD]": 0, "[UNK]": 1, "[BOS]": 2, "[EOS]": 3, "▁El": 4, "▁río": 5, "▁es": 6}
    tokenizer = Tokenizer(kinds.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    model, prompt = saying(tokenizer, [5, 6])
    assert prompt == [4]
    assert list(pieces(model, tokenizer, prompt, 9, Sampling(), seed=1)) == [" río", " es"]
    assert [spelling(tokenizer, id_) for id_ in (4, 5, 3)] == ["␣El", "␣río", "[EOS]"]


def test_control_characters_do_no_harm(toy_corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert harmless("a\x1b[31mb\r\x07\x9bñ\n") == "a\\x1b[31mb\\x0d\\x07\\x9bñ\n"
    tokenizer = load_tokenizer(toy_corpus / "bpe.json")
    model, _ = saying(tokenizer, tokenizer.encode("\x1b[2J", add_special_tokens=False).ids)
    monkeypatch.setattr("minillm.studies.talk.load", lambda _: (model, tokenizer))
    talk("any", "El", 9, Sampling(), 1, screen := io.StringIO())
    assert screen.getvalue() == "El\\x1b[2J\n"


@pytest.mark.parametrize("vocabulary", ["bpe", "words"])
def test_the_answer_is_that_of_the_seed(project: Callable[..., Path], type_: Typed, vocabulary: str) -> None:
    """The same as `generate` gives for the one prompt; another seed, another text."""
    folder = project(vocabulary=vocabulary)
    tokenizer = load_tokenizer(folder / "tokenizer.json")
    model = load_model(folder / "model.safetensors", folder / "config.json", torch.device("cpu"))
    (ids,) = generate(model, [encode(tokenizer, "La villa")], 30, 1.5, seed=4)
    answer = decode(tokenizer, [*encode(tokenizer, "La villa"), *ids])
    command = ("generate", " La   villa ", "--temperature", "1.5", "--max-new-tokens", "30", "--seed")
    assert type_(*command, "4")[1] == harmless(answer.rstrip("\ufffd")) + "\n"
    assert type_(*command, "5")[1] != type_(*command, "4")[1]
    greedy = type_("generate", "La villa", "--temperature", "0")[1]
    assert type_("generate", "La villa", "--top-k", "1", "--temperature", "2", "--seed", "7")[1] == greedy
    assert type_("generate", "La villa", "--top-p", "1e-9", "--temperature", "2", "--seed", "7")[1] == greedy


def test_the_prompt_from_standard_input(
    project: Callable[..., Path], type_: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    project()
    monkeypatch.setattr(sys, "stdin", io.StringIO("La villa\n"))
    assert type_("generate", "-")[1] == type_("generate", "La villa")[1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([""], "the prompt is empty: give the beginning of a text"),
        ([" \n\u200b"], "the prompt is empty: give the beginning of a text"),
        (["La villa " * 12], "the prompt has 24 tokens, and the model sees 23 at once: leave out its beginning"),
        (["La villa", "--top-p", "0"], "top-p 0: give a share of the probability above 0 and up to 1, such as 0.9"),
        (["La villa", "--top-k", "0"], "top-k 0: give how many tokens to draw from, 1 or more"),
        (
            ["La villa", "--temperature", "-1"],
            "temperature -1: give 0, which takes the most probable token, or from 1e-6 to 1e6",
        ),
    ],
)
@pytest.mark.parametrize("command", ["generate", "tokens"])
def test_what_cannot_be_continued(
    project: Callable[..., Path], type_: Typed, command: str, words: list[str], message: str
) -> None:
    project(vocabulary="words")
    status, written, told = type_(command, *words)
    assert (status, written) == (1, "")
    assert told.splitlines()[-1] == f"minillm {command}: {message}"
    assert len(told.splitlines()) <= 2  # which model it is comes before


def test_the_longest_prompt_is_continued(project: Callable[..., Path], type_: Typed) -> None:
    """With [BOS] it fills the context; then the window moves."""
    project(vocabulary="words")
    prompt = " ".join(["La villa"] * 11 + ["La"])
    status, written, _ = type_("generate", prompt, "--max-new-tokens", "9")
    assert status == 0
    assert written.startswith(prompt)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--seed", "-1"], "'-1' is not a whole number from 0 up"),
        (["--max-new-tokens", "0"], "'0' is not a whole number from 1 up"),
        (["--top-k", "many"], "invalid int value: 'many'"),
    ],
)
def test_options_that_are_no_numbers(
    type_: Typed, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as error:
        type_("generate", "La villa", *words)
    assert error.value.code == 2
    assert message in capsys.readouterr().err


# On a terminal


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Both ends of a terminal of the system's."""
    master, slave = pty.openpty()
    yield master, slave
    os.close(master)


def read(master: int, until: Callable[[bytes], bool]) -> bytes:
    """What is written to a terminal until it is enough or its other end is closed."""
    written, end = b"", time.monotonic() + SECONDS
    while not until(written):
        assert time.monotonic() < end, written
        if select.select([master], [], [], 0.1)[0]:
            try:
                written += os.read(master, 65536)
            except OSError:  # Linux says so when the program has closed its end
                break
    return written


def test_prompt_and_answer_have_two_colours(
    project: Callable[..., Path], terminal: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for who does not want any; and what is piped has none."""
    project()
    plain = io.StringIO()
    talk("improved", "La villa", 8, Sampling(temperature=1.0), 3, plain)
    answer = plain.getvalue().removeprefix("La villa").removesuffix("\n")
    master, slave = terminal
    with os.fdopen(slave, "w", encoding="utf-8") as screen:
        talk("improved", "La villa", 8, Sampling(temperature=1.0), 3, screen)
        monkeypatch.setenv("NO_COLOR", "1")
        talk("improved", "La villa", 8, Sampling(temperature=1.0), 3, screen)
    written = read(master, lambda _: False).decode().replace("\r\n", "\n")
    assert written == f"{PROMPT}La villa{ANSWER}{answer}{PLAIN}\nLa villa{answer}\n"
    assert answer
    assert len({PROMPT, ANSWER, PLAIN}) == 3
    assert "\x1b" not in plain.getvalue()


ENDLESS = """
import torch

class Endless(torch.nn.Module):
    def __init__(self, vocabulary_size):
        super().__init__()
        self.logits = torch.nn.Parameter(torch.zeros(vocabulary_size))

    def forward(self, ids):
        return self.logits.expand(*ids.shape, -1)
"""


@pytest.fixture
def endless(project: Callable[..., Path], toy_corpus: Path) -> list[str]:
    """The command that lets a class of the user's write a text that does not end."""
    Path("nets.py").write_text(ENDLESS, encoding="utf-8")
    config = ModuleConfig(module="nets.py:Endless", context=8)
    size = load_tokenizer(toy_corpus / "words.json").get_vocab_size()
    state = {"inner.logits": torch.zeros(size).index_fill(0, torch.tensor([EOS]), -1e9)}
    folder = Path("results/one/models/toy/improved/seed-1")
    save_model(folder / "model.safetensors", folder / "config.json", config, size, state, toy_corpus / "words.json")
    return [str(MINILLM), "generate", "La villa", "--temperature", "1", "--max-new-tokens", "1000000"]


def test_the_answer_comes_token_by_token_and_control_c_ends_it(
    endless: list[str], terminal: tuple[int, int], tmp_path: Path
) -> None:
    """As a process of its own: a text that would not end is seen at once, and ends quietly."""
    master, slave = terminal
    with (tmp_path / "errors").open("w") as errors:
        process = subprocess.Popen(endless, stdout=slave, stderr=errors, stdin=slave, start_new_session=True)
    os.close(slave)
    try:
        assert read(master, lambda written: len(written) > 100).startswith(PROMPT.encode())
        process.send_signal(signal.SIGINT)
        rest = read(master, lambda _: process.poll() is not None)
        assert process.wait(SECONDS) == 130
    finally:
        process.kill()
        process.wait()
    assert rest.decode().replace("\r\n", "\n").endswith(f"{PLAIN}\n")
    assert (tmp_path / "errors").read_text() == "improved: results/one/models/toy/improved/seed-1\n"


def test_who_reads_may_have_enough(endless: list[str]) -> None:
    with subprocess.Popen(endless, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(8) == b"La villa"
        process.stdout.close()
        assert process.stderr.read() == b"improved: results/one/models/toy/improved/seed-1\n"
        assert process.wait(SECONDS) == 141

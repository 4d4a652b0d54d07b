"""Small language models of others on the CPU, for comparison with ours: nanoGPT, and the recipe of modded-nanogpt.

    git clone https://github.com/karpathy/nanoGPT NANOGPT               # measured at 3adf61e
    git clone https://github.com/KellerJordan/modded-nanogpt MODDED     # measured at f411b3d; only its track 3 is used
    .venv/bin/python benchmarks/peers.py shakespeare --nanogpt NANOGPT --text TINY_SHAKESPEARE --threads 1
    .venv/bin/python benchmarks/peers.py eswiki-nanogpt --nanogpt NANOGPT --corpus data/eswiki --threads 1 --steps 561 \
--learning-rates 6e-4 1e-3 2e-3
    .venv/bin/python benchmarks/peers.py eswiki-track3 --modded MODDED --corpus data/eswiki --threads 1 --steps 683 \
--multipliers 0.5 1 2
    .venv/bin/python benchmarks/peers.py speed --nanogpt NANOGPT --modded MODDED --text TINY_SHAKESPEARE \
--corpus data/eswiki --rounds 3

from the project's folder. The peers' own programs run as processes, in folders under results/peers/ with the data there
in their formats; nothing of them is part of this project. nanoGPT runs unchanged. Track 3 is written for several GPUs:
what is replaced in it, so that it is small and runs on a CPU, is listed here. Models that lie there are not trained
again. Prints tables in Markdown.
"""

import contextlib
import importlib.util
import os
import pickle
import re
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from minillm.corpus.tables import read_split
from minillm.evaluation.score import score_documents
from minillm.model.build import count_parameters
from minillm.stage import run_stage
from minillm.vocabulary.tokenizer import BOS, EOS, Specials, load_tokenizer, vocabulary_size

WORK = Path("results/peers").resolve()
TOKENIZER = "vocabulary/bpe/tokenizer.json"  # in the folder of a corpus

# The shape and the batches of `improved` in config/dump.yaml.
LAYERS, WIDTH, HEADS, CONTEXT, BATCH = 4, 256, 4, 256, 16
ESWIKI = [
    *("--dataset=eswiki", f"--n_layer={LAYERS}", f"--n_embd={WIDTH}", f"--n_head={HEADS}", f"--block_size={CONTEXT}"),
    *(f"--batch_size={BATCH}", "--gradient_accumulation_steps=1", "--device=cpu", "--dtype=float32"),
    *("--warmup_iters=100", "--beta2=0.99"),  # as its config/train_shakespeare_char.py has them, for small models
]
# The command that nanoGPT's README gives for a computer without a GPU, and the loss that it promises, in nats.
SHAKESPEARE = [
    *("config/train_shakespeare_char.py", "--device=cpu", "--compile=False", "--eval_iters=20", "--log_interval=1"),
    *("--block_size=64", "--batch_size=12", "--n_layer=4", "--n_head=4", "--n_embd=128", "--max_iters=2000"),
    *("--lr_decay_iters=2000", "--dropout=0.0"),
]
SHAKESPEARE_CONTEXT, SHAKESPEARE_BATCH, SHAKESPEARE_LOSS = 64, 12, 1.88

TRACK3 = "records/track_3_optimization/train_gpt_simple.py"
ON_A_CPU = {
    "pin_memory=True": "pin_memory=False",
    'device="cuda"': 'device="cpu"',
    'torch.device("cuda", int(os.environ["LOCAL_RANK"]))\ntorch.cuda.set_device(device)': 'torch.device("cpu")',
    'backend="nccl", device_id=device': 'backend="gloo", store=dist.HashStore(), rank=0, world_size=1',
    "torch.cuda.get_device_name(device)": "device",
    ").cuda()": ")",
}
NOT_COMPILED = {"@torch.compile\n": "", "model.compile(dynamic=False)\n": ""}
SMALL_HEADS = {"head_dim=128": f"head_dim={WIDTH // HEADS}"}
WITH_LOGITS = {"        return F.cross_entropy(": "        return logits\n        return F.cross_entropy("}
AFTER_THE_CLASSES = "########################################\n#                Setup"
SAVE = '\ntorch.save(model.state_dict(), "model.pt")\n'


class Peer(nn.Module):
    """A peer's model as `score_documents` calls one: ids (batch, time) to logits (batch, time, vocab), in fp32."""

    specials = Specials()

    def __init__(self, network: nn.Module, context: int, logits: Callable[[nn.Module, Tensor], Tensor]) -> None:
        super().__init__()
        self.network, self.context, self._logits = network.float().eval(), context, logits

    def forward(self, ids_BT: Tensor) -> Tensor:
        return self._logits(self.network, ids_BT)


def shakespeare(nanogpt: Path, text: Path, threads: int) -> None:
    """Run nanoGPT's README command and print the loss on the whole validation split against its CPU time.

    Added to the command is `--always_save_checkpoint=True`, which changes no weight. The CPU time is that of the whole
    process until then, with its own evaluations and some seconds of imports.
    """
    folder = nanogpt_folder(nanogpt)
    add_shakespeare(folder, text)
    out = WORK / "nanogpt-shakespeare"
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-u", "train.py", *SHAKESPEARE, "--always_save_checkpoint=True", f"--out_dir={out}"]
    measured = []
    step, seconds, sampled = "", 0.0, ""
    with subprocess.Popen(command, cwd=folder, env=with_threads(threads), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("step "):
                times = psutil.Process(process.pid).cpu_times()
                step, seconds, sampled = line.split()[1].strip(":"), times.user + times.system, line.split()[-1]
            elif line.startswith(f"iter {step}:") and step != "0":  # the checkpoint of this step is whole now
                kept = (out / "ckpt.pt").rename(out / f"{step}.pt")
                measured.append((step, seconds, sampled, kept))
    if process.returncode:
        raise ValueError(f"{folder}: train.py failed with exit status {process.returncode}")
    print("| step | CPU seconds | whole validation split, nats | sampled by nanoGPT |\n| --- | --- | --- | --- |")
    characters = np.fromfile(folder / "data/shakespeare_char/val.bin", dtype=np.uint16)
    reached = []
    for step, seconds, sampled, kept in measured:
        loss = loss_of_text(load_nanogpt(folder, kept), characters)
        print(f"| {step} | {seconds:.1f} | {loss:.4f} | {sampled} |")
        if loss <= SHAKESPEARE_LOSS:
            reached.append(f"after {seconds:.1f} CPU seconds")
    print(f"\n{SHAKESPEARE_LOSS} on the whole split: {[*reached, 'never'][0]}")


def eswiki_nanogpt(nanogpt: Path, corpus: Path, threads: int, steps: int, learning_rates: list[float]) -> None:
    """Train nanoGPT once with each learning rate, cosine to a tenth of it over all the steps; print bits per byte."""
    folder = nanogpt_folder(nanogpt)
    add_eswiki(folder, corpus)
    models = {}
    for rate in learning_rates:
        out = WORK / f"nanogpt-{steps}-{rate:g}"
        if not (out / "ckpt.pt").exists():
            schedule = [f"--learning_rate={rate:g}", f"--min_lr={rate / 10:g}", f"--lr_decay_iters={steps}"]
            # It evaluates and saves before the step of that number, which is one more and lost.
            length = [f"--max_iters={steps}", f"--eval_interval={steps}", "--eval_iters=20", f"--out_dir={out}"]
            run([*ESWIKI, *schedule, *length, "--compile=False"], folder, threads)
        models[f"nanoGPT, {rate:g}"] = load_nanogpt(folder, out / "ckpt.pt")
    compare(models, corpus, steps)


def eswiki_track3(modded: Path, corpus: Path, threads: int, steps: int, multipliers: list[float]) -> None:
    """Train with track 3's recipe once with its learning rates times each of the multipliers; print bits per byte."""
    source = (modded / TRACK3).read_text(encoding="utf-8")
    models = {}
    for multiplier in multipliers:
        folder = WORK / f"track3-{steps}-{multiplier:g}"
        if not (folder / "model.pt").exists():
            write_track3(folder, source, corpus, steps, multiplier)
            run([], folder, threads)
        models[f"track 3, × {multiplier:g}"] = load_track3(source, folder / "model.pt")
    compare(models, corpus, steps)


def speed(nanogpt: Path, modded: Path, text: Path, corpus: Path, rounds: int) -> None:
    """Print tokens a second of training steps, with one and two threads, eager and compiled.

    nanoGPT computes in fp32 on a CPU whatever its `dtype` says, since it autocasts on GPUs only; track 3 in bf16.
    """
    folder = nanogpt_folder(nanogpt)
    add_shakespeare(folder, text)
    add_eswiki(folder, corpus)
    source = (modded / TRACK3).read_text(encoding="utf-8")
    for way in ("eager", "compiled"):
        write_track3(WORK / f"track3-{way}", source, corpus, 30, 1.0, compiled=way == "compiled")
    few = ["--eval_interval=1000", "--eval_iters=1", f"--out_dir={WORK / 'nanogpt-speed'}"]
    measured: dict[tuple[str, str, int], list[float]] = {}
    for _ in range(rounds):
        for way, threads in (("eager", 1), ("compiled", 1), ("eager", 2), ("compiled", 2)):
            option = f"--compile={way == 'compiled'}"
            outputs = {
                "nanoGPT, 12 × 64": run([*SHAKESPEARE, *few, option, "--max_iters=250"], folder, threads),
                "nanoGPT, 16 × 256": run([*ESWIKI, *few, option, "--max_iters=30"], folder, threads),
                "track 3, 16 × 256": run([], WORK / f"track3-{way}", threads),
            }
            for name, output in outputs.items():
                tokens = SHAKESPEARE_BATCH * SHAKESPEARE_CONTEXT if "12 × 64" in name else BATCH * CONTEXT
                measured.setdefault((name, way, threads), []).append(tokens / seconds_a_step(output))
    print("| program and batch | way | threads | tokens a second, median of rounds | best round |")
    print("| --- | --- | --- | --- | --- |")
    for (name, way, threads), rates in sorted(measured.items()):
        print(f"| {name} | {way} | {threads} | {statistics.median(rates):,.0f} | {max(rates):,.0f} |")


def seconds_a_step(output: str) -> float:
    """The median of what nanoGPT or track 3 printed, without the first steps, on which compilation falls."""
    seconds = [float(value) / 1000 for value in re.findall(r"^iter \d+: .* time ([\d.]+)ms", output, re.MULTILINE)]
    if not seconds:  # track 3 prints the time since its start
        since = re.findall(r"^step:\d+/\d+ train_time:([\d.]+)s", output, re.MULTILINE)
        seconds = np.diff([float(value) for value in since]).tolist()
    return statistics.median(seconds[5:])


def with_threads(threads: int) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": str(threads)}


def run(arguments: list[str], folder: Path, threads: int) -> str:
    """Run the train.py of a folder; returns what it printed, which train.log beside it shows while it runs."""
    log = folder / "train.log"
    command = [sys.executable, "-u", "train.py", *arguments]
    with log.open("w", encoding="utf-8") as stream:
        result = subprocess.run(
            command, cwd=folder, env=with_threads(threads), stdout=stream, stderr=subprocess.STDOUT, check=False
        )
    if result.returncode:
        raise ValueError(f"{folder}: train.py failed, see train.log there")
    return log.read_text(encoding="utf-8")


def nanogpt_folder(nanogpt: Path) -> Path:
    """A copy of the checkout: nanoGPT looks for data in its own folder."""
    folder = WORK / "nanogpt"
    shutil.copytree(nanogpt, folder, ignore=shutil.ignore_patterns(".git"), dirs_exist_ok=True)
    return folder


def add_shakespeare(folder: Path, text: Path) -> None:
    """Have nanoGPT's own program prepare Tiny Shakespeare."""
    data = folder / "data/shakespeare_char"
    shutil.copy(text, data / "input.txt")
    subprocess.run([sys.executable, "prepare.py"], cwd=data, stdout=sys.stderr, check=True)


def add_eswiki(folder: Path, corpus: Path) -> None:
    """Write the train and validation splits as nanoGPT reads them: the articles in a row, ids in 16 bits."""
    data = folder / "data/eswiki"
    data.mkdir(exist_ok=True)
    joined(documents(corpus, "train")).tofile(data / "train.bin")
    joined(documents(corpus, "validation")).tofile(data / "val.bin")
    (data / "meta.pkl").write_bytes(pickle.dumps({"vocab_size": vocabulary_size(load_tokenizer(corpus / TOKENIZER))}))


def write_track3(
    folder: Path, source: str, corpus: Path, steps: int, multiplier: float, *, compiled: bool = True
) -> None:
    """Write track 3 as a small train.py, and its data: for each epoch a file with the articles in another order."""
    data = folder / "data/fineweb10B"
    data.mkdir(parents=True, exist_ok=True)
    write_shard(data / "fineweb_val_0.bin", documents(corpus, "validation"))
    train = documents(corpus, "train")
    for epoch in range(1 + steps * BATCH * CONTEXT // sum(map(len, train))):
        order = np.random.default_rng(epoch).permutation(len(train))
        write_shard(data / f"fineweb_train_{epoch}.bin", [train[number] for number in order])
    scaled = {
        "vocab_size=50304, num_layers=12, model_dim=768": (
            f"vocab_size={vocabulary_size(load_tokenizer(corpus / TOKENIZER))}, num_layers={LAYERS}, model_dim={WIDTH}"
        ),
        "seq_len=1024": f"seq_len={CONTEXT}",
        "batch_size = 8 * 64 * 1024": f"batch_size = {BATCH * CONTEXT}",
        "mbs = 64": f"mbs = {BATCH}",
        "val_tokens = 20 * 524288": f"val_tokens = {20 * BATCH * CONTEXT}",
        "125 if step / train_steps < 0.9 else 25": "train_steps",  # steps between its validations
        "train_steps = 3250\n": f"train_steps = {steps}\n    torch.manual_seed(1)\n",  # its schedule follows them
        '["initial_lr"] = group["lr"]': f'["initial_lr"] = group["lr"] * {multiplier}',
    }
    program = replaced(source, ON_A_CPU | SMALL_HEADS | scaled | ({} if compiled else NOT_COMPILED))
    (folder / "train.py").write_text(program + SAVE, encoding="utf-8")


def replaced(source: str, replacements: dict[str, str]) -> str:
    for old, new in replacements.items():
        if old not in source:
            raise ValueError(
                f"{TRACK3}: there is no {old!r}; check out the commit that is named in {Path(__file__).name}"
            )
        source = source.replace(old, new)
    return source


def write_shard(path: Path, articles: list[list[int]]) -> None:
    """Write modded-nanogpt's format: 256 numbers, of them a magic one, the version and the length; then the tokens."""
    tokens = joined(articles)
    header = np.zeros(256, dtype=np.int32)
    header[:3] = 20240520, 1, len(tokens)
    path.write_bytes(header.tobytes() + tokens.tobytes())


def documents(corpus: Path, split: str) -> list[list[int]]:
    """Token ids of the articles of a split, without special tokens."""
    tokenizer = load_tokenizer(corpus / TOKENIZER)
    encodings = tokenizer.encode_batch_fast(read_split(corpus / "articles.parquet", split), add_special_tokens=False)
    return [encoding.ids for encoding in encodings]


def joined(articles: list[list[int]]) -> npt.NDArray[np.uint16]:
    return np.concatenate([np.array([BOS, *ids, EOS], dtype=np.uint16) for ids in articles])


def load_nanogpt(folder: Path, checkpoint: Path) -> Peer:
    saved = torch.load(checkpoint, weights_only=True)
    spec = importlib.util.spec_from_file_location("nanogpt", folder / "model.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)  # dataclasses look for their module
    spec.loader.exec_module(module)
    with contextlib.redirect_stdout(sys.stderr):  # it prints its size
        network = module.GPT(module.GPTConfig(**saved["model_args"]))
    network.load_state_dict(saved["model"])
    # Without targets it gives the logits of the last position only.
    return Peer(network, saved["model_args"]["block_size"], lambda network, ids_BT: network(ids_BT, ids_BT)[0])


def load_track3(source: str, weights: Path) -> Peer:
    saved = torch.load(weights, weights_only=True)
    names: dict[str, Any] = {}
    exec(replaced(source.partition(AFTER_THE_CLASSES)[0], SMALL_HEADS | WITH_LOGITS), names)
    network = names["GPT"](len(saved["embed.weight"]), LAYERS, WIDTH)
    network.load_state_dict(saved)
    return Peer(network, CONTEXT, lambda network, ids_BT: network(ids_BT, None))


def compare(models: dict[str, Peer], corpus: Path, steps: int) -> None:
    """Print bits per byte of every try on validation articles, and of the best one those of the test split."""
    validation = {name: bits_per_byte(model, corpus, "validation") for name, model in models.items()}
    best = min(validation, key=validation.__getitem__)
    print("| program, learning rate | parameters | tokens | a fifth of validation, bits per byte | test |")
    print("| --- | --- | --- | --- | --- |")
    for name, bits in validation.items():
        test = f"{bits_per_byte(models[name], corpus, 'test'):.3f}" if name == best else ""
        parameters, tokens = count_parameters(models[name]), steps * BATCH * CONTEXT
        print(f"| {name} | {parameters:,} | {tokens:,} | {bits:.3f} | {test} |")


def bits_per_byte(model: Peer, corpus: Path, split: str) -> float:
    """As `minillm.evaluation.perplexity` does; a vocabulary of bytes leaves no [UNK] to charge for.

    Of the validation split every fifth article is enough to choose by.
    """
    chosen = slice(None, None, 5 if split == "validation" else 1)
    size = sum(len(text.encode()) for text in read_split(corpus / "articles.parquet", split)[chosen])
    nll = score_documents(model, documents(corpus, split)[chosen]).nll
    return float(nll.sum() / np.log(2) / size)


@torch.no_grad()
def loss_of_text(model: Peer, characters: npt.NDArray[np.uint16]) -> float:
    """Nats a character of a whole text but for its first one, in windows that do not overlap."""
    ids = torch.from_numpy(characters.astype(np.int64))
    total = 0.0
    for start in range(0, len(ids) - 1, model.context):
        window = ids[start : start + model.context + 1]
        total += F.cross_entropy(model(window[None, :-1])[0], window[1:], reduction="sum").item()
    return total / (len(ids) - 1)


COMMANDS = {
    "shakespeare": shakespeare,
    "eswiki-nanogpt": eswiki_nanogpt,
    "eswiki-track3": eswiki_track3,
    "speed": speed,
}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        sys.exit(f"{__doc__}\nThe first argument is one of {', '.join(COMMANDS)}.")
    run_stage(COMMANDS[sys.argv.pop(1)])

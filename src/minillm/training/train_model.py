"""Train a language model: one loop for every model of the project.

The loop knows nothing of architectures. It can be killed at any moment: the next call goes on from the last checkpoint
and ends with the same bytes. The weights that did best on the validation split are the ones that are kept.
"""

import dataclasses
import logging
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from minillm.files import write_csv, write_json
from minillm.model.build import build_model, count_parameters
from minillm.model.config import ModuleConfig, config_from
from minillm.stage import run_stage
from minillm.training import checkpoint
from minillm.training.batches import Documents, TrainingBatches, Windows
from minillm.training.config import TrainingConfig
from minillm.training.device import choose_speed, prepare
from minillm.training.progress import Meter, say
from minillm.training.run import HISTORY, TIMING, Run
from minillm.training.saved import save_model, save_tensors
from minillm.training.sentences import Sentences
from minillm.vocabulary.tokenizer import decode, load_tokenizer

_log = logging.getLogger(__name__)

SECONDS_BETWEEN_CHECKPOINTS = 60


def train_model(
    name: str,
    tokenizer: Path,
    train_tokens: Path,
    train_offsets: Path,
    validation_tokens: Path,
    validation_offsets: Path,
    code: list[Path],
    model: dict[str, object],
    training: TrainingConfig,
    seed: int,
    weights: Path,
    description: Path,
    history: Path,
    timing: Path,
    outcome: Path,
    snapshots: Path | None = None,
) -> None:
    """Train one model with one seed and keep its best weights.

    `code` are the source files whose change makes a checkpoint void. `history` gets one row a measurement, `timing`
    what depends on the machine, `outcome` how training ended, `snapshots` the weights at each measurement, named
    `<step>/<tensor>`, if the settings keep them. Raises ValueError if the loss is not a number or the
    tokens do not fit the vocabulary or the context.
    """
    config = config_from(model)
    device = prepare(training.threads, training.device)
    loaded = load_tokenizer(tokenizer)
    vocabulary_size = loaded.get_vocab_size()
    documents = Documents.load(train_tokens, train_offsets, device)
    unseen = Documents.load(validation_tokens, validation_offsets, device)
    for path, split in ((train_tokens, documents), (validation_tokens, unseen)):
        if split.largest_id >= vocabulary_size:
            raise ValueError(
                f"{path} holds token {split.largest_id}, and {tokenizer} has {vocabulary_size} tokens: they are of two "
                "vocabularies; delete them and run snakemake again"
            )
    if len(documents.tokens) <= config.context:
        raise ValueError(
            f"{train_tokens} has {len(documents.tokens)} tokens, which is less than one window: lower the context of "
            f"{name} ({config.context}) in the config, or give more articles"
        )
    sentences = None
    if training.shuffle_sentences or training.curriculum_epochs:
        texts = [decode(loaded, [id_]) for id_ in range(vocabulary_size)]
        sentences = Sentences.find(documents.tokens.numpy(force=True), documents.offsets, texts)
    batches = TrainingBatches(
        documents,
        config.context,
        training.batch_size,
        seed,
        shuffled=sentences if training.shuffle_sentences else None,
        easy_first=sentences.easy_documents_first() if sentences else None,
        curriculum_epochs=training.curriculum_epochs,
        token_dropout=training.token_dropout,
    )
    # What is trained with counts in steps; what is written down stays as it was set.
    in_steps = dataclasses.replace(training, steps=batches.steps_of(training.steps, training.counted_in))
    torch.manual_seed(seed)
    network = build_model(config, vocabulary_size).to(device)
    parameters = count_parameters(network)
    # About six operations for each parameter and token (Kaplan et al. 2020, arXiv:2001.08361).
    workers = training.threads if device.type == "cpu" else 1
    operations = 6 * parameters * in_steps.steps * training.batch_size * config.context / workers
    # Not every class of a user's can be compiled, and none is without being asked.
    compilation = "never" if training.compile == "auto" and isinstance(config, ModuleConfig) else training.compile
    speed = choose_speed(training.precision, compilation, device, operations)
    run = Run(
        network=network,
        config=in_steps,
        batches=batches,
        validation=Windows(unseen, config.context, limit=training.validation_tokens),
        seed=seed,
        device=device,
        speed=speed,
    )
    title = f"{name}, seed {seed}"
    threads = f" ({training.threads} thread{'s' if training.threads > 1 else ''})" if device.type == "cpu" else ""
    how = f"{speed.precision}, compiled" if speed.compiled else speed.precision
    say(f"{title}: {parameters:,} parameters on {device}{threads} in {how}, {in_steps.steps} steps")
    data = [tokenizer, train_tokens, train_offsets, validation_tokens, validation_offsets]
    mark = checkpoint.fingerprint([*data, *code], [config, training, seed, speed, device.type])
    saved = weights.with_name("checkpoint.pt")
    seconds = 0.0
    if state := checkpoint.load(saved, mark):
        run.restore(state)
        seconds = state["seconds"]
        say(f"{title}: going on from step {run.step}")
    meter = Meter(title, in_steps.steps, run.step, training.batch_size * config.context, seconds)
    _steps(run, meter, saved, mark, history, timing)
    # Once more: a run that goes on from a checkpoint of its last step has not written them yet.
    write_csv(history, HISTORY, run.history)
    write_csv(timing, TIMING, run.timing)
    save_model(weights, description, config, vocabulary_size, run.best, tokenizer)
    if snapshots:
        save_tensors(snapshots, run.snapshots)
    write_json(
        outcome,
        {
            "steps": run.step,
            "best_step": min(run.history, key=lambda row: row["validation_loss"])["step"],
            "best_validation_loss": run.best_loss,
            "stopped_early": run.step < in_steps.steps,
            "tokens": run.step * training.batch_size * config.context,
            "epochs": run.step * training.batch_size / run.batches.windows_per_epoch,
            "device": device.type,
            **dataclasses.asdict(speed),
            "training": dataclasses.asdict(training),
        },
    )
    checkpoint.remove(saved)
    say(f"{title}: done at step {run.step}, best validation loss {run.best_loss:.3f} nats a token")


def _steps(run: Run, meter: Meter, saved: Path, mark: str, history: Path, timing: Path) -> None:
    """Go on to the end of the training, or to a polite stop, which leaves the process."""
    last_save = time.monotonic()
    with _stop_requests() as stop:
        while not run.finished():
            run.train_step()
            if meter.after(run.step):
                meter.show(run.step, run.look())
            measured = run.measures_now()
            if measured:
                run.measure(meter.seconds(), meter.speed(run.step))
                _log.info("step %d: %s", run.step, {k: round(v, 4) for k, v in run.history[-1].items()})
            if measured or stop or time.monotonic() - last_save > SECONDS_BETWEEN_CHECKPOINTS:
                state = {"fingerprint": mark, "seconds": meter.seconds(), **run.state()}
                try:
                    write_csv(history, HISTORY, run.history)
                    write_csv(timing, TIMING, run.timing)
                    checkpoint.save(saved, state)
                except OSError as error:  # no reason to stop
                    say(f"{meter.name}: no checkpoint at step {run.step}, the one before is kept: {error}")
                last_save = time.monotonic()
            if stop and not run.finished():
                say(f"{meter.name}: stopped at step {run.step}; snakemake goes on from its last checkpoint")
                sys.exit(128 + stop[0])


@contextmanager
def _stop_requests() -> Iterator[list[int]]:
    """A list that gets the number of the first SIGINT or SIGTERM; a second one acts as if nobody listened."""
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)
        signal.signal(number, before[number])

    before: dict[int, Any] = {int(number): signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    run_stage(train_model)

"""Fine-tune a language model to tell the sentiment of messages, or the same network without its pretraining.

The loop is `transformers.Trainer`'s. It measures the validation part after each epoch, and the weights of the best
epoch are kept. What it writes on its way, a pickle among it, is temporary.
"""

import logging
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from sklearn.metrics import f1_score
from transformers import DataCollatorWithPadding, EarlyStoppingCallback, PrinterCallback, Trainer, TrainingArguments

from minillm.files import write_csv
from minillm.stage import run_stage
from minillm.studies.classifier import context_of, encode_texts, probabilities, read_classifier
from minillm.studies.config import Finetuning, Lora
from minillm.studies.messages import LABELS, read_messages
from minillm.training.device import prepare
from minillm.training.progress import say

_log = logging.getLogger(__name__)

HISTORY = ["step", "epoch", "train_loss", "validation_loss", "validation_accuracy", "validation_macro_f1"]
WARMUP_SHARE = 0.1  # of the steps


def finetune(
    messages: Path,
    pretrained: str,
    start: str,
    training: Finetuning,
    seed: int,
    threads: int,
    device: str,
    history: Path,
    predictions: Path,
    lora: Lora | None = None,
    folder: Path | None = None,
) -> None:
    """Train on the messages of the train split and write the probabilities of the labels of those of the test split.

    `pretrained` is a folder or a name on the hub; `start` is `pretrained`, or `untrained` to take only its shape.
    `history` gets a row for each epoch, losses in nats a message; `folder`, if given, the model with its tokenizer, for
    transformers and `minillm classify`.
    """
    place = prepare(threads, device)
    transformers.utils.logging.disable_progress_bar()
    torch.manual_seed(seed)
    network, tokenizer, missing = read_classifier(
        pretrained, id2label=dict(enumerate(LABELS)), label2id={name: number for number, name in enumerate(LABELS)}
    )
    if lost := [name for name in sorted(missing) if name.startswith(f"{network.base_model_prefix}.")]:
        raise ValueError(f"{pretrained}: its weights lack {', '.join(lost[:3])}: it is not whole")
    if start == "untrained":
        network = transformers.AutoModelForSequenceClassification.from_config(network.config, dtype=torch.float32)
    if lora is not None:
        network = _with_lora(network, lora)
    context = context_of(network, tokenizer)
    encoded, labels = {}, {}
    for split in ("train", "validation", "test"):
        texts, labels[split] = read_messages(messages, split)
        encoded[split] = encode_texts(tokenizer, texts, context)
    whole = sum(len(ids) == context for split in encoded.values() for ids in split)
    _log.info("%d messages fill the context of %d tokens, or are longer and cut", whole, context)
    data = {
        split: [
            {"input_ids": ids, "labels": int(label)} for ids, label in zip(encoded[split], labels[split], strict=True)
        ]
        for split in encoded
    }
    history.parent.mkdir(parents=True, exist_ok=True)
    for left in history.parent.glob(".trainer-*"):  # by a job that was killed
        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(dir=history.parent, prefix=".trainer-") as temporary:
        trainer = Trainer(
            model=network,
            args=_arguments(training, seed, place, temporary),
            train_dataset=data["train"],
            eval_dataset=data["validation"],
            data_collator=DataCollatorWithPadding(tokenizer),
            compute_metrics=_validation_metrics,
            callbacks=[EarlyStoppingCallback(training.patience)] if training.patience else [],
        )
        # The loss of a classifier is the mean of a part of a batch, whatever Trainer concludes from its signature: left
        # to itself it would add the parts up.
        trainer.model_accepts_loss_kwargs = False
        trainer.remove_callback(PrinterCallback)  # it writes to the screen
        trainer.train()
    rows = _rows(trainer.state.log_history)
    if lora is not None:
        network = network.merge_and_unload()
    found = probabilities(network, tokenizer, encoded["test"])
    write_csv(history, HISTORY, rows)
    write_csv(
        predictions,
        ["label", *LABELS],
        (
            {"label": LABELS[label], **dict(zip(LABELS, row, strict=True))}
            for label, row in zip(labels["test"], found.tolist(), strict=True)
        ),
    )
    if folder is not None:
        _save(folder, network, tokenizer)
    best = (min if training.keep == "loss" else max)(rows, key=lambda row: row[f"validation_{training.keep}"])
    say(
        f"sentiment, {start}, seed {seed}: epoch {best['epoch']} of {len(rows)} is kept, validation loss "
        f"{best['validation_loss']:.3f} nats a message, accuracy {best['validation_accuracy']:.3f}"
    )


def _arguments(training: Finetuning, seed: int, device: torch.device, folder: str) -> TrainingArguments:
    arguments = TrainingArguments(
        output_dir=folder,
        seed=seed,
        use_cpu=device.type == "cpu",
        num_train_epochs=training.epochs,
        per_device_train_batch_size=training.batch_size // training.micro_batches,
        gradient_accumulation_steps=training.micro_batches,
        train_sampling_strategy="group_by_length",  # less to fill up: two thirds of the time
        learning_rate=training.learning_rate,
        weight_decay=training.weight_decay,
        warmup_steps=WARMUP_SHARE,
        optim="adamw_torch",
        eval_strategy="epoch",
        save_strategy="epoch",
        logging_strategy="epoch",
        save_total_limit=1,
        save_only_model=True,
        load_best_model_at_end=True,
        metric_for_best_model=f"eval_{training.keep}",
        greater_is_better=training.keep != "loss",
        dataloader_pin_memory=device.type == "cuda",
        disable_tqdm=True,
        report_to=[],
    )
    arguments._n_gpu = min(arguments.n_gpu, 1)  # of several GPUs it would take all, and a batch for each
    return arguments


def _with_lora(network: Any, lora: Lora) -> Any:
    """The network, frozen but for its head, with small matrices beside those that peft chooses for its family."""
    try:
        import peft  # noqa: PLC0415 (optional)
    except ImportError as error:
        raise ValueError(
            "studies.sentiment.lora: install the package peft (pip install '.[lora]'), or set it to null"
        ) from error
    config = peft.LoraConfig(task_type=peft.TaskType.SEQ_CLS, r=lora.rank, lora_alpha=lora.alpha)
    return peft.get_peft_model(network, config)


def _validation_metrics(prediction: transformers.EvalPrediction) -> dict[str, float]:
    """Of all labels that occur, or are said, in the validation part."""
    said, true = np.asarray(prediction.predictions).argmax(-1), np.asarray(prediction.label_ids)
    macro_f1 = f1_score(true, said, average="macro", zero_division=0.0)
    return {"accuracy": float((said == true).mean()), "macro_f1": float(macro_f1)}


def _rows(log: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for each epoch from Trainer's log, where its loss and its validation are apart."""
    losses = {entry["step"]: entry["loss"] for entry in log if "loss" in entry}
    return [
        {
            "step": entry["step"],
            "epoch": round(entry["epoch"]),
            "train_loss": losses[entry["step"]],
            **{f"validation_{name}": entry[f"eval_{name}"] for name in ("loss", "accuracy", "macro_f1")},
        }
        for entry in log
        if "eval_loss" in entry
    ]


def _save(folder: Path, network: Any, tokenizer: Any) -> None:
    """Write network and tokenizer into a folder, each file whole or not at all."""
    tokenizer.backend_tokenizer.no_truncation()  # it would be saved
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".model-") as temporary:
        network.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
        for file in sorted(Path(temporary).iterdir()):
            file.replace(folder / file.name)


if __name__ == "__main__":
    run_stage(finetune)

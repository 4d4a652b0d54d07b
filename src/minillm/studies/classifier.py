"""A language model with a classification head of transformers': how it is read, and what it says of texts."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import transformers
from safetensors import SafetensorError

from minillm.vocabulary.adopt_vocabulary import first_line, read_tokenizer

UNLIMITED = 1024  # tokens that are read of a text by a model which does not say how many it can
ROWS_AT_ONCE = 32  # texts that are read side by side


def read_classifier(pretrained: str, **head: Any) -> tuple[Any, Any, set[str]]:
    """The network in fp32 and the tokenizer of a folder or of a name on the hub, and which weights are not there.

    `head` replaces what the saved config says of labels. Raises ValueError if it cannot be read or could not pad.
    """
    tokenizer = read_tokenizer(pretrained)
    try:
        network, report = transformers.AutoModelForSequenceClassification.from_pretrained(
            pretrained,
            use_safetensors=True,
            trust_remote_code=False,
            dtype=torch.float32,
            output_loading_info=True,
            **head,
        )
    except (OSError, ValueError, ImportError, RuntimeError, SafetensorError) as error:
        raise ValueError(
            f"{pretrained}: no model that can classify, with weights in safetensors, can be read from it "
            f"({first_line(error)}); give a folder that save_pretrained wrote, or its name on the hub"
        ) from error
    if tokenizer.pad_token is None:  # GPT-2's
        if tokenizer.eos_token is None:
            raise ValueError(
                f"{pretrained}: its tokenizer has neither a pad_token nor an eos_token to fill rows up with"
            )
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "right"  # positions count from the first token
    network.config.pad_token_id = tokenizer.pad_token_id  # the head reads the last token that is another
    return network, tokenizer, set(report["missing_keys"])


def context_of(network: Any, tokenizer: Any) -> int:
    """Tokens of a text that the network sees at most."""
    positions = getattr(network.config.get_text_config(), "max_position_embeddings", None)
    return min(tokenizer.model_max_length, positions or UNLIMITED)


def encode_texts(tokenizer: Any, texts: Sequence[str], context: int) -> list[list[int]]:
    """The first `context` ids of each text, with what the tokenizer puts around it."""
    ids: list[list[int]] = tokenizer(list(texts), truncation=True, max_length=context)["input_ids"]
    return ids


@torch.no_grad()
def probabilities(network: Any, tokenizer: Any, encoded: Sequence[list[int]]) -> npt.NDArray[np.float64]:
    """The probability of each label for each encoded text: (texts, labels)."""
    network.eval()
    rows = []
    for start in range(0, len(encoded), ROWS_AT_ONCE):
        batch = tokenizer.pad({"input_ids": encoded[start : start + ROWS_AT_ONCE]}, return_tensors="pt")
        logits_BC = network(**batch.to(network.device)).logits
        rows.append(logits_BC.double().softmax(-1).cpu().numpy())
    return np.concatenate(rows)

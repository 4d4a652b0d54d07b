"""Take a pretrained model as it is, in place of training one.

It is copied into the run with all that is needed to build it again, so that what comes after needs neither the network
nor the folder it came from. A name on the hub is downloaded by transformers, which keeps it for the next time.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError
from tokenizers import Tokenizer

from minillm.model.config import PretrainedConfig
from minillm.stage import run_stage
from minillm.training.saved import save_model
from minillm.vocabulary.adopt_vocabulary import first_line, plain, read_tokenizer
from minillm.vocabulary.tokenizer import Specials, vocabulary_size


def adopt_model(
    pretrained: str, causal: bool, tokenizer: Path, weights: Path, description: Path, context: int | None = None
) -> None:
    """Write what is in a folder or has a name on the hub as `train_model` does; `tokenizer` is its vocabulary here.

    `context` is the number of tokens that it sees at once, by default all that it has positions for. Raises ValueError
    as `read_pretrained` does.
    """
    model, config, its_tokenizer = read_pretrained(pretrained, causal, context)
    state = {f"inner.{name}": tensor for name, tensor in model.state_dict().items()}
    save_model(weights, description, config, vocabulary_size(its_tokenizer), state, tokenizer)


def read_pretrained(
    pretrained: str, causal: bool = True, context: int | None = None, unlimited: int | None = None
) -> tuple[Any, PretrainedConfig, Tokenizer]:
    """The model of a folder or of a name on the hub, its description and its tokenizer.

    `unlimited` is the context of a model that does not say how many tokens it sees at once. Raises ValueError if it
    cannot be read, lacks weights, or does not fit its tokenizer or the context.
    """
    tokenizer = read_tokenizer(pretrained)
    size = vocabulary_size(tokenizer.backend_tokenizer)
    model = read_model(pretrained)
    rows = model.get_input_embeddings().num_embeddings
    if size > rows:
        raise ValueError(f"{pretrained}: its tokenizer has {size} tokens and the model {rows}: they are of two models")
    shape = model.config.get_text_config()
    config = PretrainedConfig(
        context=_context(pretrained, context, getattr(shape, "max_position_embeddings", None) or unlimited),
        causal=causal,
        layers=getattr(shape, "num_hidden_layers", None),
        width=getattr(shape, "hidden_size", None),
        heads=getattr(shape, "num_attention_heads", None),
        specials=dataclasses.asdict(_specials(pretrained, tokenizer)),
        huggingface=json.loads(model.config.to_json_string()),
    )
    return model, config, plain(tokenizer)


def read_model(pretrained: str) -> Any:
    """The causal language model of a folder or of a name on the hub, in fp32.

    Raises ValueError if there is none whose weights are all there, in safetensors.
    """
    family: Any = transformers.AutoModelForCausalLM
    try:
        model, report = family.from_pretrained(
            pretrained, use_safetensors=True, trust_remote_code=False, dtype=torch.float32, output_loading_info=True
        )
    except (OSError, ValueError, ImportError, RuntimeError, SafetensorError) as error:
        raise ValueError(
            f"{pretrained}: no causal language model with safetensors weights can be read from it "
            f"({first_line(error)}); give a folder that save_pretrained wrote, or its name on the hub"
        ) from error
    if any("Classification" in name for name in model.config.architectures or []):
        raise ValueError(f"{pretrained}: was saved as a classifier, which writes no text: give a causal language model")
    if report["missing_keys"]:
        missing = ", ".join(sorted(report["missing_keys"])[:3])
        raise ValueError(f"{pretrained}: its weights lack {missing}: it was not saved as a causal language model")
    return model


def _context(pretrained: str, wanted: int | None, largest: int | None) -> int:
    """How many tokens the model sees at once."""
    if wanted is None and largest is None:
        raise ValueError(f"{pretrained}: does not say how many tokens it sees at once; give its context in the config")
    if wanted is not None and largest is not None and wanted > largest:
        raise ValueError(f"{pretrained}: has {largest} positions; lower its context of {wanted} in the config")
    return wanted or largest  # type: ignore[return-value]


def _specials(pretrained: str, tokenizer: Any) -> Specials:
    """Its special tokens; many models read a text after the end of the one before."""
    bos = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
    if bos is None:
        raise ValueError(f"{pretrained}: its tokenizer has neither a bos_token nor an eos_token to read a text after")
    return Specials(pad=tokenizer.pad_token_id, unk=tokenizer.unk_token_id, bos=bos, eos=tokenizer.eos_token_id)


if __name__ == "__main__":
    run_stage(adopt_model)

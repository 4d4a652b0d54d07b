"""Export a trained model to Hugging Face: `minigpt` as GPT-2, `qwen` as Qwen3, and the tokenizer that belongs to it.

The exported model computes the same logits (a Qwen bit by bit in fp32 on a CPU), the exported tokenizer gives the
ids of `minillm.vocabulary.tokenizer.encode`, normalising included, after the [BOS] that every text is read after.
"""

import math
import tempfile
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, normalizers, processors
from torch import Tensor
from transformers import GenerationConfig, GPT2Config, GPT2LMHeadModel, Qwen3Config, Qwen3ForCausalLM

from minillm.files import read_json, write_json
from minillm.model.config import config_from, export_obstacle
from minillm.model.minigpt import MiniGPT
from minillm.model.qwen import EPSILON, Qwen
from minillm.stage import run_stage
from minillm.training.saved import load_model
from minillm.vocabulary.tokenizer import BOS, EOS, PAD, UNK, load_tokenizer

_GPT2 = {
    "attention_norm": "ln_1",
    "attention.query_key_value": "attn.c_attn",
    "attention.output": "attn.c_proj",
    "feed_forward_norm": "ln_2",
    "feed_forward.expand": "mlp.c_fc",
    "feed_forward.contract": "mlp.c_proj",
}
_QWEN3 = {
    "attention_norm": "input_layernorm",
    "attention.query": "self_attn.q_proj",
    "attention.key": "self_attn.k_proj",
    "attention.value": "self_attn.v_proj",
    "attention.output": "self_attn.o_proj",
    "attention.query_norm": "self_attn.q_norm",
    "attention.key_norm": "self_attn.k_norm",
    "feed_forward_norm": "post_attention_layernorm",
    "feed_forward.gate": "mlp.gate_proj",
    "feed_forward.up": "mlp.up_proj",
    "feed_forward.down": "mlp.down_proj",
}
_IDS: dict[str, Any] = {"pad_token_id": PAD, "bos_token_id": BOS, "eos_token_id": EOS}


def export_model(weights: Path, description: Path, tokenizer: Path, folder: Path) -> None:
    """Write a saved model and its tokenizer into `folder`, for `AutoModelForCausalLM` and `AutoTokenizer`.

    Raises ValueError, naming the setting, for a model that Hugging Face has no equal of.
    """
    if obstacle := export_obstacle(config_from(read_json(description)["config"])):
        raise ValueError(f"{description}: {obstacle}")
    model = load_model(weights, description, torch.device("cpu"))
    assert isinstance(model, MiniGPT | Qwen)
    exported = as_gpt2(model) if isinstance(model, MiniGPT) else as_qwen3(model)
    # What stands for no text is never generated, and a text does not outgrow the context.
    exported.generation_config = GenerationConfig(**_IDS, suppress_tokens=[PAD, UNK, BOS], max_length=model.context)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".export-") as name:
        temporary = Path(name)
        exported.save_pretrained(temporary)
        as_fast_tokenizer(load_tokenizer(tokenizer)).save(str(temporary / "tokenizer.json"))
        write_json(temporary / "tokenizer_config.json", _tokenizer_config(model.context))
        folder.mkdir(exist_ok=True)
        for file in sorted(temporary.iterdir()):
            file.replace(folder / file.name)


def as_gpt2(model: MiniGPT) -> GPT2LMHeadModel:
    """The same function as a GPT-2. Its matrices are transposed, and its token embeddings are scaled beforehand."""
    config = model.config
    twin = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=model.head.out_features,
            n_positions=config.context,
            n_embd=config.width,
            n_layer=config.layers,
            n_head=config.heads,
            n_inner=config.feed_forward,
            activation_function=config.activation,
            embd_pdrop=config.dropout,
            attn_pdrop=config.dropout,
            resid_pdrop=config.dropout,
            layer_norm_epsilon=1e-5,  # of torch.nn.LayerNorm
            tie_word_embeddings=False,
            **_IDS,
        )
    )
    own = model.state_dict()
    outside = {
        "transformer.wte.weight": own["embedding.weight"] * math.sqrt(config.width),
        "transformer.wpe.weight": model.positions_TD,
        "transformer.ln_f.weight": own["norm.weight"],
        "transformer.ln_f.bias": own["norm.bias"],
        "lm_head.weight": own["head.weight"],
    }
    inside = {
        name: tensor.T if tensor.ndim == 2 else tensor for name, tensor in _renamed(own, _GPT2, "transformer.h").items()
    }
    twin.load_state_dict(outside | inside)  # strict: none is missing, none is left over
    return twin.eval()


def as_qwen3(model: Qwen) -> Qwen3ForCausalLM:
    """The same function as a Qwen3, which has dropout in its attention alone: ours, elsewhere, has no place there."""
    config = model.config
    twin = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=model.embedding.num_embeddings,
            max_position_embeddings=config.context,
            hidden_size=config.width,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            num_key_value_heads=config.heads,
            head_dim=config.width // config.heads,
            intermediate_size=config.feed_forward,
            max_window_layers=config.layers,
            rope_parameters={"rope_type": "default", "rope_theta": config.rope_theta},
            rms_norm_eps=EPSILON,
            tie_word_embeddings=True,
            **_IDS,
        )
    )
    own = model.state_dict()
    outside = {
        "model.embed_tokens.weight": own["embedding.weight"],
        "model.norm.weight": own["norm.weight"],
        "lm_head.weight": own["embedding.weight"],
    }
    twin.load_state_dict(outside | _renamed(own, _QWEN3, "model.layers"))
    return twin.eval()


def _renamed(state: dict[str, Tensor], names: dict[str, str], prefix: str) -> dict[str, Tensor]:
    """The tensors of the blocks under the names that Hugging Face gives them."""
    renamed = {}
    for name, tensor in state.items():
        if name.startswith("blocks."):
            _, layer, inner = name.split(".", 2)
            module, kind = inner.rsplit(".", 1)
            renamed[f"{prefix}.{layer}.{names[module]}.{kind}"] = tensor
    return renamed


def as_fast_tokenizer(tokenizer: Tokenizer) -> Tokenizer:
    """A copy that does on its own what `encode` and `decode` do around the tokenizer, and puts [BOS] first.

    Its normalizer is `minillm.text.normalise`, but that it leaves more than 30 combining marks in a row as they are and
    knows the characters of another edition of Unicode.
    """
    copy = Tokenizer.from_str(tokenizer.to_str())
    copy.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(Regex(r"\r\n?|[\x{85}\x{2028}]"), "\n"),
            normalizers.Replace("\u2029", "\n\n"),
            normalizers.Replace(Regex(r"[\t\v\f]"), " "),
            normalizers.Replace(Regex(r"[[\p{Cc}\p{Cf}\p{Co}\p{Cn}]&&[^\n]]"), ""),
            normalizers.NFC(),
            normalizers.Replace(Regex(r"[^\S\n]+"), " "),
            normalizers.Replace(Regex(r" *\n *"), "\n"),
            normalizers.Replace(Regex(r"\n{3,}"), "\n\n"),
            normalizers.Strip(),
        ]
    )
    copy.post_processor = processors.TemplateProcessing(single="[BOS] $A", special_tokens=[("[BOS]", BOS)])
    if isinstance(copy.decoder, decoders.Fuse):  # words
        copy.decoder = decoders.Sequence([decoders.Replace("[UNK]", " [UNK]"), decoders.Fuse()])
    return copy


def _tokenizer_config(context: int) -> dict[str, object]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "bos_token": "[BOS]",
        "eos_token": "[EOS]",
        "clean_up_tokenization_spaces": False,
        "split_special_tokens": True,  # «[UNK]» in a text is text
        # GPT-2 would add the embedding of the token types, all [PAD], to every position.
        "model_input_names": ["input_ids", "attention_mask"],
        "model_max_length": context,
    }


if __name__ == "__main__":
    run_stage(export_model)

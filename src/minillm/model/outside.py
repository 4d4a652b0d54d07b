"""Models that were not written here: classes in a file of the user's, and those of Hugging Face's transformers.

Both take token ids and give logits, or an object with `.logits`; nothing else is asked of them. What they give is
checked, because a wrong shape can look like a result.
"""

import importlib.util
import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from minillm.model.attention import Cache
from minillm.model.config import ModuleConfig, PretrainedConfig
from minillm.model.language_model import LanguageModel, Way
from minillm.vocabulary.tokenizer import Specials

TRIED = 6  # tokens that show whether a model of transformers can use a cache


class OutsideModel(LanguageModel):
    """A module under the interface of `LanguageModel`.

    `name` is what messages call it. Its logits have one column for each token of the vocabulary; a pretrained model may
    have more `columns`, which stand for no token and are cut off.
    """

    def __init__(self, inner: nn.Module, name: str, vocabulary_size: int, columns: int, context: int) -> None:
        super().__init__()
        self.inner, self.name, self.context = inner, name, context
        self.vocabulary_size, self.columns = vocabulary_size, columns

    def forward(self, ids_BT: Tensor, *, last_only: bool = False, cache: Cache | None = None) -> Tensor:
        """See `LanguageModel`. Raises ValueError if the module does not give logits of the right shape."""
        logits_BTV = self._logits(ids_BT)
        return logits_BTV[:, -1:] if last_only else logits_BTV

    def _logits(self, ids_BT: Tensor, **more: Any) -> Tensor:
        output = self.inner(ids_BT, **more)
        logits_BTV = output if isinstance(output, Tensor) else getattr(output, "logits", None)
        expected = *ids_BT.shape, self.columns
        if logits_BTV is None or logits_BTV.shape != expected:
            found = f"a {type(output).__name__}" if logits_BTV is None else f"the shape {tuple(logits_BTV.shape)}"
            raise ValueError(
                f"{self.name}: forward(ids) must give logits (batch, time, vocabulary), here {expected}, or an object "
                f"with such .logits; found {found}"
            )
        return logits_BTV[..., : self.vocabulary_size]

    def token_embedding(self) -> nn.Embedding:
        """See `LanguageModel`: what `get_input_embeddings` says, or else the only table with a row for each token."""
        find = getattr(self.inner, "get_input_embeddings", None)
        if find is not None:
            return find()
        tables = [module for module in self.inner.modules() if isinstance(module, nn.Embedding)]
        tables = [table for table in tables if table.num_embeddings == self.vocabulary_size]
        if len(tables) != 1:
            raise ValueError(
                f"{self.name}: has {len(tables)} tables nn.Embedding of {self.vocabulary_size} rows, and the audit "
                "needs to know the one that token ids are looked up in: give the class a method get_input_embeddings() "
                "that returns it"
            )
        return tables[0]

    def output_layer(self) -> nn.Linear | None:
        """See `LanguageModel`: the last linear layer with a row for each token."""
        layers = [module for module in self.inner.modules() if isinstance(module, nn.Linear)]
        return next((layer for layer in reversed(layers) if layer.out_features == self.columns), None)


class HuggingFaceCache(Cache):
    """The memory of a model of transformers, which extends it itself."""

    def __init__(self, config: Any) -> None:
        import transformers  # noqa: PLC0415 (as below)

        super().__init__(layers=0)
        self.past = transformers.DynamicCache(config=config)

    @property
    def length(self) -> int:
        """See `Cache`."""
        return self.past.get_seq_length()

    def keep(self, rows: list[int]) -> None:
        """See `Cache`."""
        self.past.batch_select_indices(torch.tensor(rows, dtype=torch.long))


class HuggingFaceModel(OutsideModel):
    """A causal language model of transformers, which has several kernels for attention and can be given padding."""

    inner: Any

    def forward(self, ids_BT: Tensor, *, last_only: bool = False, cache: Cache | None = None) -> Tensor:
        """See `OutsideModel`."""
        if cache is None:
            return super().forward(ids_BT, last_only=last_only)
        assert isinstance(cache, HuggingFaceCache)
        assert self._cache_argument is not None
        logits_BTV = self._logits(ids_BT, **{self._cache_argument: cache.past, "use_cache": True})
        return logits_BTV[:, -1:] if last_only else logits_BTV

    def new_cache(self) -> Cache | None:
        """See `LanguageModel`."""
        return HuggingFaceCache(self.inner.config) if self._remembers else None

    @cached_property
    def _cache_argument(self) -> str | None:
        """The argument's name, which transformers has changed; None if there is no such argument."""
        named = inspect.signature(self.inner.forward).parameters
        return next((name for name in ("cache", "past_key_values") if name in named), None)

    @cached_property
    def _remembers(self) -> bool:
        """Whether it gives with a cache what it gives without, tried with two short texts of which one is forgotten.

        Not every architecture does, and none that sees the future.
        """
        if self._cache_argument is None:
            return False
        time = min(TRIED, self.context)
        ids_2T = torch.arange(2 * time, device=self.inner.device).view(2, time) % self.vocabulary_size
        cache = HuggingFaceCache(self.inner.config)
        with torch.no_grad():
            expected_V = self(ids_2T)[1, -1]
            try:
                self(ids_2T[:, :-1], cache=cache)
                cache.keep([1])
                if cache.length != time - 1:
                    return False
                found_V = self(ids_2T[1:, -1:], cache=cache)[0, -1]
            except Exception:  # whatever an architecture without one raises
                return False
        return torch.allclose(found_V, expected_V, rtol=0, atol=1e-4 * expected_V.abs().max().item())

    def ways(self) -> list[Way]:
        """See `LanguageModel`: each kernel, without a mask and with one that hides padding on either side."""
        ways = []
        named = inspect.signature(self.inner.forward).parameters
        for kernel in self._kernels():
            exact = kernel == "eager"
            ways.append(Way(kernel, partial(self._unpadded, kernel), exact))
            if "attention_mask" in named:
                ways.append(Way(f"{kernel}, padding on the right", partial(self._padded, kernel, "right"), exact))
                left = partial(self._padded, kernel, "left")
                ways.append(Way(f"{kernel}, padding on the left", left, exact, 1, comparable="position_ids" in named))
        return ways

    def _kernels(self) -> list[str]:
        """Its own and the others that it can be given; flash attention has none for fp32, in which all is measured."""
        own = self.inner.config._attn_implementation
        kernels = [own]
        for name in sorted({"eager", "sdpa"} - {own}):
            try:
                with self._attention(name):
                    if self.inner.config._attn_implementation == name:
                        kernels.append(name)
            except (ValueError, ImportError):  # this architecture lacks it
                continue
        return kernels

    @contextmanager
    def _attention(self, kernel: str) -> Iterator[None]:
        own = self.inner.config._attn_implementation
        self.inner.set_attn_implementation(kernel)
        try:
            yield
        finally:
            self.inner.set_attn_implementation(own)

    def _unpadded(self, kernel: str, ids_1T: Tensor) -> Tensor:
        with self._attention(kernel):
            return self._logits(ids_1T)

    def _padded(self, kernel: str, side: Literal["left", "right"], ids_1T: Tensor) -> Tensor:
        """Logits of a text in a batch of two: a row with all of it and a row with all but the last token and padding.

        With padding on the left only the second row is given, without what stands at the padding. Positions count from
        the first token of the text, as transformers does it to generate.
        """
        pad_11 = torch.full_like(ids_1T[:, :1], self.specials.padding)
        padded_1T = torch.cat((ids_1T[:, :-1], pad_11) if side == "right" else (pad_11, ids_1T[:, :-1]), dim=1)
        mask_2T = torch.ones_like(ids_1T).repeat(2, 1)
        mask_2T[1, -1 if side == "right" else 0] = 0
        more = {"attention_mask": mask_2T}
        if "position_ids" in inspect.signature(self.inner.forward).parameters:
            more["position_ids"] = (mask_2T.cumsum(1) - 1).clamp(min=0)
        with self._attention(kernel):
            logits_2TV = self._logits(torch.cat((ids_1T, padded_1T)), **more)
        return logits_2TV if side == "right" else logits_2TV[1:, 1:]


def from_module(config: ModuleConfig, vocabulary_size: int) -> LanguageModel:
    """An instance of the class that the config names.

    Raises ValueError if the file or the class is missing, or if the file cannot be imported or the class not called.
    """
    file, _, name = config.module.rpartition(":")
    family = _class_in(Path(file), name)
    try:
        inner = family(vocabulary_size, **config.options)
    except Exception as error:  # whatever the class raises
        raise ValueError(
            f"{config.module}: {name}({vocabulary_size}, **options) with the options {config.options} fails: "
            f"{type(error).__name__}: {error}"
        ) from error
    return OutsideModel(inner, config.module, vocabulary_size, vocabulary_size, config.context)


def _class_in(file: Path, name: str) -> type[nn.Module]:
    """A class of a Python file, which is run."""
    if not file.is_file():
        raise ValueError(f"{file}:{name}: there is no file {file}")
    spec = importlib.util.spec_from_file_location(f"minillm_outside_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up there
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the file raises
        raise ValueError(f"{file} cannot be imported: {type(error).__name__}: {error}") from error
    classes = {
        key: value for key, value in vars(module).items() if isinstance(value, type) and issubclass(value, nn.Module)
    }
    if name not in classes:
        raise ValueError(f"{file} has no class {name} of torch.nn.Module; it has {', '.join(classes) or 'none'}")
    return classes[name]


def from_huggingface(config: PretrainedConfig, vocabulary_size: int) -> LanguageModel:
    """The architecture of a pretrained model, from its config alone; weights are loaded into it afterwards."""
    import transformers  # noqa: PLC0415 (takes a second, which other models need not wait)

    family = transformers.AutoConfig.for_model(**config.huggingface)
    return around(transformers.AutoModelForCausalLM.from_config(family, dtype=torch.float32), config, vocabulary_size)


def around(inner: Any, config: PretrainedConfig, vocabulary_size: int) -> HuggingFaceModel:
    """A model of transformers as the project asks it."""
    inner.config.use_cache = False
    columns = inner.get_input_embeddings().num_embeddings
    model = HuggingFaceModel(inner, inner.config.model_type, vocabulary_size, columns, config.context)
    model.specials = Specials(**config.specials)
    return model

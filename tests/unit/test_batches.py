"""Every token is a target once an epoch, whatever the sizes; the order of batches depends on nothing but the seed."""

import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from minillm.training.batches import Documents, TrainingBatches, Windows
from minillm.vocabulary.tokenizer import BOS, EOS, PAD

Texts = list[list[int]]


def documents_of(texts: Texts) -> Documents:
    flat = np.array([id_ for text in texts for id_ in (BOS, *text, EOS)], dtype=np.uint16)
    return Documents(torch.from_numpy(flat), np.cumsum([0, *(len(text) + 2 for text in texts)], dtype=np.int64))


def all_windows(
    texts: Texts, context: int, order: np.ndarray | None = None, limit: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    windows = Windows(documents_of(texts), context, order, limit=limit)
    inputs, targets = windows[np.arange(len(windows))]
    return inputs.numpy(), targets.numpy()


def some_texts(seed: int = 0, count: int = 7) -> Texts:
    """Texts in which no two tokens are the same, so that a lost or doubled one is seen."""
    lengths = np.random.default_rng(seed).integers(1, 20, size=count).tolist()
    ids = iter(range(10, 10_000))
    return [[next(ids) for _ in range(length)] for length in lengths]


def targets_of_an_epoch(texts: Texts) -> Counter[int]:
    """Worked out without windows: all tokens, [BOS] and [EOS] of each text."""
    everything = Counter(id_ for text in texts for id_ in text)
    everything.update({BOS: len(texts), EOS: len(texts)})
    return +everything


def windows_in_order(batches: TrainingBatches, steps: int) -> tuple[np.ndarray, np.ndarray]:
    pairs = [batches[step] for step in range(steps)]
    return torch.cat([pair[0] for pair in pairs]).numpy(), torch.cat([pair[1] for pair in pairs]).numpy()


token = st.integers(4, 300)
texts_ = st.lists(st.lists(token, max_size=12), min_size=1, max_size=6)


@given(texts=texts_, context=st.integers(1, 9), data=st.data())
@settings(max_examples=60, deadline=None)
def test_windows_are_the_shifted_stream(texts: Texts, context: int, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(texts))))
    inputs, targets = all_windows(texts, context, np.array(order))
    stream = [id_ for index in order for id_ in (BOS, *texts[index], EOS)]
    count = len(stream) - 1
    rest = len(inputs) * context - count
    assert inputs.shape == targets.shape == (len(inputs), context)
    assert 0 <= rest < context
    assert inputs.flatten().tolist() == stream[:-1] + [PAD] * rest
    assert targets.flatten().tolist() == stream[1:] + [PAD] * rest


@pytest.mark.parametrize("limit", [1, 4, 5, 6, 10_000])
def test_windows_end_after_the_limit(limit: int) -> None:
    texts = some_texts()
    inputs, targets = all_windows(texts, 5, limit=limit)
    stream = [id_ for text in texts for id_ in (BOS, *text, EOS)]
    kept = stream[1 : limit + 1]
    assert targets[targets != PAD].tolist() == kept
    assert inputs[targets != PAD].tolist() == stream[: len(kept)]
    assert not inputs[targets == PAD].any()


@given(texts=texts_, context=st.integers(1, 9), batch_size=st.integers(1, 40), seed=st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_every_token_is_a_target_once_an_epoch(texts: Texts, context: int, batch_size: int, seed: int) -> None:
    """Also where a batch straddles two epochs, and where it holds several."""
    batches = TrainingBatches(documents_of(texts), context, batch_size, seed)
    size, epochs = batches.windows_per_epoch, 3
    inputs, targets = windows_in_order(batches, -(-epochs * size // batch_size))
    assert inputs.shape[1] == context
    for epoch in range(epochs):
        rows = targets[epoch * size : (epoch + 1) * size]
        assert Counter(rows[rows != PAD].tolist()) == targets_of_an_epoch(texts)
    assert (inputs[targets == PAD] == PAD).all()
    assert (inputs[targets != PAD] != PAD).all()


def test_inputs_precede_their_targets_in_every_epoch() -> None:
    """Each pair (input, target) is a pair of neighbours in some text, or joins the end of one to another."""
    texts = some_texts()
    neighbours = {pair for text in texts for pair in zip([BOS, *text], [*text, EOS], strict=True)} | {(EOS, BOS)}
    inputs, targets = windows_in_order(TrainingBatches(documents_of(texts), 4, 3, seed=1), 40)
    pairs = set(zip(inputs[targets != PAD].tolist(), targets[targets != PAD].tolist(), strict=True))
    assert pairs == neighbours


def test_a_batch_depends_on_its_step_alone() -> None:
    documents = documents_of(some_texts())
    straight = TrainingBatches(documents, 4, 3, seed=1)
    expected = [straight[step] for step in range(30)]
    jumping = TrainingBatches(documents, 4, 3, seed=1)
    for step in [*random.Random(0).sample(range(30), 30), 29, 0, 15, 15]:
        for found, wanted in zip(jumping[step], expected[step], strict=True):
            np.testing.assert_array_equal(found, wanted)
        # what evaluation does in between
        _ = Windows(documents, 5, limit=7)[np.arange(1)]
        np.random.default_rng().random(3)
        torch.rand(3)
        np.random.seed(step)


def test_batches_leave_global_randomness_alone() -> None:
    torch.manual_seed(1)
    random.seed(1)
    state, plain = torch.get_rng_state(), random.getstate()
    _ = TrainingBatches(documents_of(some_texts()), 4, 3, seed=1)[5]
    assert torch.equal(torch.get_rng_state(), state)
    assert random.getstate() == plain


def test_epochs_and_seeds_differ_in_their_order() -> None:
    documents = documents_of(some_texts(count=12))
    batches = TrainingBatches(documents, 4, 1, seed=1)
    size = batches.windows_per_epoch
    epochs = [np.stack([batches[step][1][0].numpy() for step in range(start, start + size)]) for start in (0, size)]
    other = TrainingBatches(documents, 4, 1, seed=2)
    epochs.append(np.stack([other[step][1][0].numpy() for step in range(size)]))
    assert len({epoch.tobytes() for epoch in epochs}) == 3
    # not the windows alone are shuffled: the texts themselves meet other neighbours
    assert len({tuple(sorted(map(tuple, epoch.tolist()))) for epoch in epochs}) == 3


def test_one_long_text_is_cut_elsewhere_in_each_epoch() -> None:
    """There is no order of texts to change; still no two epochs have the same windows, and each has every target."""
    texts = [list(range(10, 70))]
    batches = TrainingBatches(documents_of(texts), 8, 1, seed=1)
    size = batches.windows_per_epoch
    assert size == 8  # 62 targets
    epochs = [windows_in_order(batches, 3 * size)[1][epoch * size : (epoch + 1) * size] for epoch in range(3)]
    assert len({tuple(sorted(map(tuple, targets.tolist()))) for targets in epochs}) == 3
    for targets in epochs:
        assert Counter(targets[targets != PAD].tolist()) == targets_of_an_epoch(texts)


def test_load_reads_what_was_saved(tmp_path: Path) -> None:
    texts = [[5, 6, 7], [], [9]]
    documents = documents_of(texts)
    np.save(tmp_path / "tokens.npy", documents.tokens.numpy())
    np.save(tmp_path / "offsets.npy", documents.offsets)
    loaded = Documents.load(tmp_path / "tokens.npy", tmp_path / "offsets.npy", torch.device("cpu"))
    inputs, targets = Windows(loaded, 20)[np.arange(1)]
    assert inputs[0, :9].tolist() == [BOS, 5, 6, 7, EOS, BOS, EOS, BOS, 9]
    assert targets.dtype == torch.int64  # uint16 has no cross-entropy


def test_ids_above_a_signed_short_survive() -> None:
    inputs, _ = all_windows([[65_535, 40_000]], 4)
    assert inputs.tolist() == [[BOS, 65_535, 40_000, PAD]]

"""What training makes of sentences: they change places, none is lost, easy articles come first, tokens are hidden."""

import itertools
import re
from collections import Counter

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from minillm.training.batches import Documents, TrainingBatches, Windows
from minillm.training.sentences import Sentences
from minillm.vocabulary.tokenizer import BOS, EOS, PAD, SPECIALS, UNK, decode, encode, train_tokenizer

TEXTS = [
    "Historia\n\n"
    "El río nace aquí. Mide 3.5 km, p. ej. en verano. ¿Dónde acaba? «En el mar.» Nadie lo duda!\n\n"
    "Fin. Ya.",
    "Una sola frase sin final",
    "",
    "Álava es bella. Ávila es alta. Úbeda es blanca (y vieja). Écija arde.\nNació en el art. 5 de la ley. Sí.",
]
# Read by eye: paragraphs, and in each its sentences with the space before them.
PARAGRAPHS = [
    [
        ["Historia"],
        ["El río nace aquí.", " Mide 3.5 km, p. ej. en verano.", " ¿Dónde acaba?", " «En el mar.»", " Nadie lo duda!"],
        ["Fin.", " Ya."],
    ],
    [["Una sola frase sin final"]],
    [],
    [
        ["Álava es bella.", " Ávila es alta.", " Úbeda es blanca (y vieja).", " Écija arde."],
        ["Nació en el art. 5 de la ley.", " Sí."],
    ],
]


@pytest.fixture(params=["words", "bpe"], scope="module")
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    """One that knows every word, or the letters and a few pieces."""
    return train_tokenizer(TEXTS, request.param, 400)


def encoded(tokenizer: Tokenizer, texts: list[str]) -> tuple[Documents, Sentences]:
    documents = [[BOS, *encode(tokenizer, text), EOS] for text in texts]
    tokens = np.array([id_ for document in documents for id_ in document], dtype=np.uint16)
    offsets = np.cumsum([0, *map(len, documents)], dtype=np.int64)
    pieces = [decode(tokenizer, [id_]) for id_ in range(tokenizer.get_vocab_size())]
    return Documents(torch.from_numpy(tokens), offsets), Sentences.find(tokens, offsets, pieces)


def spans(sentences: Sentences, documents: Documents, order: np.ndarray) -> list[list[int]]:
    """The ids of each sentence, in an order."""
    tokens = documents.tokens.tolist()
    return [tokens[sentences.offsets[i] : sentences.offsets[i + 1]] for i in order.tolist()]


def test_sentences_are_those_that_a_reader_sees(tokenizer: Tokenizer) -> None:
    documents, sentences = encoded(tokenizer, TEXTS)
    found: list[list[list[str]]] = [[] for _ in TEXTS]
    previous = -1
    every = np.arange(len(sentences.documents))
    for ids, document, paragraph, is_end in zip(
        spans(sentences, documents, every),
        sentences.documents,
        sentences.paragraphs,
        sentences.ends_of_line,
        strict=True,
    ):
        text = decode(tokenizer, ids)
        assert is_end == (set(text) <= {"\n"} and ids != [BOS])
        if text.strip():
            if paragraph != previous:
                found[document].append([])
            found[document][-1].append(text)
            previous = paragraph
    assert found == PARAGRAPHS


def test_the_unknown_ends_no_sentence() -> None:
    """It may stand for any word, with or without a space before it."""
    tokenizer = train_tokenizer(["a b. C d."], "words", 400)
    _, sentences = encoded(tokenizer, ["a b. Zoológico d. C d."])
    assert np.diff(sentences.offsets).tolist() == [7, 3, 1]  # [BOS] a b . [UNK] d . | C d . | [EOS]


def test_shuffling_keeps_paragraphs_and_their_first_sentences(tokenizer: Tokenizer) -> None:
    documents, sentences = encoded(tokenizer, TEXTS)
    order = np.array([3, 2, 0, 1])
    seen = set()
    for seed in range(40):
        random = np.random.default_rng(seed)
        pieces = spans(sentences, documents, sentences.shuffled(order, random))
        texts = re.split("⟦", decode_marked(tokenizer, [id_ for piece in pieces for id_ in piece]))[1:]
        assert len(texts) == len(TEXTS)
        for text, number in zip(texts, order, strict=True):
            lines = re.split(r"\n+", text.rstrip("⟧"))
            assert text.count("\n") == TEXTS[number].count("\n")
            assert text.endswith("⟧")
            assert "⟧" not in text[:-1]
            for line, paragraph in zip(lines, PARAGRAPHS[number] or [[""]], strict=True):
                assert line.startswith(paragraph[0])
                rest = line
                for sentence in paragraph:
                    assert rest.count(sentence) == 1
                    rest = rest.replace(sentence, "")
                assert rest == ""
                seen.add(line)
    # Four sentences after the first have 24 orders, three have 6, one has 1; 40 draws of 24 find at least 12 but for
    # one time in a million.
    assert sum(line.startswith("Álava") for line in seen) == 6
    assert 12 <= sum(line.startswith("El río") for line in seen) <= 24
    assert sum(line.startswith("Fin") for line in seen) == 1


def decode_marked(tokenizer: Tokenizer, ids: list[int]) -> str:
    """The text with «⟦» for [BOS] and «⟧» for [EOS]."""
    text = ""
    run: list[int] = []
    for id_ in ids:
        if id_ in (BOS, EOS):
            text += decode(tokenizer, run) + ("⟦" if id_ == BOS else "⟧")
            run = []
        else:
            run.append(id_)
    return text


def test_easy_is_short_in_sentences_and_in_all(tokenizer: Tokenizer) -> None:
    """By hand: ranks of the mean sentence and of the article, 0 for the shortest; the sum decides, then the order."""
    texts = [
        "Es muy largo todo esto que no acaba. Es muy largo todo esto que no acaba.",
        "Sí. No. Sí. No. Sí. No. Sí. No. Sí. No. Sí. No. Sí. No. Sí. No. Sí. No. Sí. No. Sí. No.",
        "Es muy largo todo esto que no acaba pues sigue y sigue.",
        "Sí es.",
    ]
    words = train_tokenizer(texts, "words", 400)
    _, sentences = encoded(words, texts)
    # Tokens with [BOS] and [EOS]: 20, 46, 14, 5, so ranks 2, 3, 1, 0. Sentences: 2, 22, 1, 1. Their mean lengths: 10,
    # 2.1, 14, 5, so ranks 2, 0, 3, 1. The sums: 4, 3, 4, 1.
    assert sentences.easy_documents_first().tolist() == [3, 1, 0, 2]


# In batches


def epoch_of(batches: TrainingBatches, number: int) -> np.ndarray:
    """All targets of an epoch, window after window, with batches of one window."""
    size = batches.windows_per_epoch
    return np.concatenate([batches[step][1][0].numpy() for step in range(number * size, (number + 1) * size)])


def some_documents() -> tuple[Documents, Sentences, Counter[int]]:
    """Twelve articles of two to thirteen sentences of three tokens, no token twice but for the full stop."""
    stop, ids = 4, iter(range(5, 1000))
    documents = [[BOS, *(id_ for _ in range(n) for id_ in (next(ids), next(ids), stop)), EOS] for n in range(13, 1, -1)]
    tokens = np.array([id_ for document in documents for id_ in document], dtype=np.uint16)
    offsets = np.cumsum([0, *map(len, documents)])
    texts = [*SPECIALS, ".", *(f" W{id_}" for id_ in range(5, 1000))]
    documents_ = Documents(torch.from_numpy(tokens), offsets)
    return documents_, Sentences.find(tokens, offsets, texts), Counter(tokens.tolist())


def test_shuffled_sentences_lose_no_token_and_differ_by_epoch_and_seed() -> None:
    documents, sentences, every = some_documents()
    plain = TrainingBatches(documents, 7, 1, seed=1)
    first = TrainingBatches(documents, 7, 1, seed=1, shuffled=sentences)
    other = TrainingBatches(documents, 7, 1, seed=2, shuffled=sentences)
    epochs = [epoch_of(first, 0), epoch_of(first, 1), epoch_of(other, 0), epoch_of(plain, 0)]
    for epoch in epochs:
        assert Counter(epoch[epoch != PAD].tolist()) == every
    assert len({epoch.tobytes() for epoch in epochs}) == 4
    np.testing.assert_array_equal(epoch_of(first, 1), epochs[1])  # entered a second time
    # Every article still begins with its own first sentence, wherever the ring was cut.
    whole = TrainingBatches(documents, 10_000, 1, seed=1, shuffled=sentences)
    epoch = epoch_of(whole, 0)
    ring = np.tile(epoch[epoch != PAD], 2)
    heads = ring[np.flatnonzero(ring[: sum(every.values())] == BOS)[:, None] + np.arange(4)]
    tokens = documents.tokens.numpy()
    assert sorted(heads.tolist()) == sorted(tokens[start : start + 4].tolist() for start in documents.offsets[:-1])
    # And articles are not torn: all tokens of one lie between its [BOS] and its [EOS].
    starts = np.flatnonzero(ring == BOS)
    pieces = [ring[start : start + ring[start:].tolist().index(EOS) + 1] for start in starts if EOS in ring[start:]]
    originals = {frozenset(tokens[a:b].tolist()) for a, b in itertools.pairwise(documents.offsets)}
    assert {frozenset(piece.tolist()) for piece in pieces} == originals


def test_a_curriculum_begins_with_the_easy_and_ends() -> None:
    documents, sentences, _ = some_documents()
    easy = sentences.easy_documents_first()
    # The means fall from (2 + 6) / 2 to (2 + 39) / 13 as the articles grow: all sums of ranks are equal.
    assert easy.tolist() == list(range(12))
    batches = TrainingBatches(documents, 7, 1, seed=1, easy_first=easy, curriculum_epochs=2)
    windows = Windows(documents, 7, easy, start=0)
    expected = windows[np.arange(len(windows))][1].numpy().ravel()
    np.testing.assert_array_equal(epoch_of(batches, 0), expected)
    np.testing.assert_array_equal(epoch_of(batches, 1), expected)
    plain = TrainingBatches(documents, 7, 1, seed=1)
    np.testing.assert_array_equal(epoch_of(batches, 2), epoch_of(plain, 2))


def test_token_dropout_hides_inputs_at_its_rate_and_no_target() -> None:
    tokens = torch.arange(100_000, dtype=torch.int32) % 60_000 + len(SPECIALS)
    tokens[::1000] = BOS
    documents = Documents(tokens, np.array([0, len(tokens)]))
    plain = TrainingBatches(documents, 256, 100, seed=3)
    dropped = TrainingBatches(documents, 256, 100, seed=3, token_dropout=0.2)
    (inputs, targets), (masked, same) = plain[1], dropped[1]
    assert torch.equal(targets, same)
    hidden = masked == UNK
    assert torch.equal(masked[~hidden], inputs[~hidden])
    assert not hidden[inputs == BOS].any()
    count = (inputs != BOS).sum().item()
    assert abs(hidden.sum().item() - 0.2 * count) < 5 * (0.2 * 0.8 * count) ** 0.5
    # The same step hides the same; another step or seed as much of it as chance does.
    assert torch.equal(dropped[1][0], masked)
    other = TrainingBatches(documents, 256, 100, seed=4, token_dropout=0.2)
    for batch in (dropped[0], dropped[2], other[1]):
        assert ((batch[0] == UNK) & hidden).sum() < 0.25 * hidden.sum()


def test_hidden_tokens_are_no_padding() -> None:
    """The padding after the last token stays what it is."""
    documents, _, _ = some_documents()
    batches = TrainingBatches(documents, 10_000, 1, seed=1, token_dropout=0.9)
    inputs, targets = batches[0]
    assert (inputs[targets == PAD] == PAD).all()
    assert (inputs == UNK).any()

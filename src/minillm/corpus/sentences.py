"""Leave out the sentences of a line in which something is missing, and what stands in brackets around such a place.

A sentence ends at a full stop and the like that is followed by a blank and no small letter, unless it belongs to an
abbreviation: where the end is in doubt, the next sentence goes too, since half a sentence is worse than none.
"""

import re

from minillm.corpus.language import Language

WOUND = "\ufdd7"  # a place where something is missing; a noncharacter, which no text holds

_STOP = re.compile(r"(?<![.!?…])[.!?…]++[»”\"')\]]*+(?: ++|$)")
_OPENERS = "(«“¿¡\"'["
_LONGEST_WORD = 30  # characters looked at on either side of a full stop
_BRACKET_OR_WOUND = re.compile(rf"[()]|{WOUND}")


def whole_sentences(line: str, language: Language) -> tuple[str, int]:
    """The line without the sentences and brackets that have a `WOUND`, and how many these were."""
    line, count = _without_wounded_brackets(line)
    ends = [match.end() for match in _STOP.finditer(line) if _ends_sentence(line, match, language)]
    kept: list[str] = []
    for start, end in zip([0, *ends], [*ends, len(line)], strict=True):
        sentence = line[start:end]
        if WOUND in sentence:
            count += 1
        else:
            kept.append(sentence)
    return "".join(kept).strip(), count


def _ends_sentence(line: str, match: re.Match[str], language: Language) -> bool:
    follows = line[match.end() : match.end() + _LONGEST_WORD].lstrip(_OPENERS)[:1]
    if follows.islower():
        return False
    if match[0][0] != ".":
        return True
    before = line[max(0, match.start() - _LONGEST_WORD) : match.start()]
    word = before[before.rfind(" ") + 1 :].lstrip(_OPENERS).lower()
    # «J.», «EE.UU.», «a. C.»
    initials = "." in word and all(len(part) <= 2 for part in word.split("."))
    return not (len(word) == 1 or initials or word in language.abbreviations) or match.end() == len(line)


def _without_wounded_brackets(line: str) -> tuple[str, int]:
    """The line without the brackets that have a wound directly in them, and how many they were."""
    open_brackets: list[tuple[int, bool]] = []  # where each begins, and whether there is a wound in it
    spans: list[tuple[int, int]] = []
    for match in _BRACKET_OR_WOUND.finditer(line):
        if match[0] == "(":
            open_brackets.append((match.start(), False))
        elif not open_brackets:
            continue
        elif match[0] == WOUND:
            open_brackets[-1] = (open_brackets[-1][0], True)
        else:
            start, wounded = open_brackets.pop()
            if wounded:
                spans.append((start, match.end()))
    pieces: list[str] = []
    position = 0
    for start, end in sorted(spans):
        if start < position:
            continue  # within brackets that have a wound of their own
        before = line[position:start]
        opens_sentence = not before.strip() or before.rstrip().endswith((".", "!", "?", "…"))
        # Brackets that were a sentence take its full stop with them.
        position = end + 1 if opens_sentence and line.startswith(".", end) else end
        if not line.startswith(" ", position):
            before = before.rstrip(" ")
        elif before.endswith(" "):
            before = before[:-1]
        pieces.append(before)
    return "".join([*pieces, line[position:]]).strip(), len(spans)

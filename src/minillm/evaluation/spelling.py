"""What an unknown word costs: a character n-gram model of its spelling.

A model with a closed vocabulary says only «[UNK]» for a rare word; to be compared with one that spells every word it
has to pay for the spelling too (Mielke & Eisner 2019, «Spell once, summon anywhere»). The n-grams are interpolated as
by Witten and Bell (1991, «The zero-frequency problem»), down to a uniform distribution over the characters seen, the
end of the word and an escape; an unseen character costs the escape and one code point of Unicode.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping

ORDER = 5
_START, _END, _ESCAPE = "\x02", "\x03", "\x1b"  # controls, which normalised text does not have
_CODE_POINTS = 0x110000


class SpellingModel:
    """Probabilities of strings, trained on strings with their counts; over all strings they sum to one at most."""

    def __init__(self, counts: Mapping[str, int]) -> None:
        self.following: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for text, count in counts.items():
            padded = _START * (ORDER - 1) + text + _END
            for position in range(ORDER - 1, len(padded)):
                for length in range(ORDER):
                    self.following[padded[position - length : position]][padded[position]] += count
        self.totals = {context: sum(counter.values()) for context, counter in self.following.items()}
        self.symbols = set(self.following.get("", ())) | {_END, _ESCAPE}
        self._costs: dict[str, float] = {}

    def nll(self, text: str) -> float:
        """Negative log-likelihood of a string, its end included, in nats."""
        if text not in self._costs:
            padded = _START * (ORDER - 1) + text + _END
            self._costs[text] = sum(
                self._character(padded[position - ORDER + 1 : position], padded[position])
                for position in range(ORDER - 1, len(padded))
            )
        return self._costs[text]

    def _character(self, context: str, character: str) -> float:
        if character not in self.symbols:
            return -math.log(self._probability(context, _ESCAPE)) + math.log(_CODE_POINTS)
        return -math.log(self._probability(context, character))

    def _probability(self, context: str, character: str) -> float:
        probability = 1 / len(self.symbols)
        for length in range(len(context) + 1):
            counter = self.following.get(context[len(context) - length :])
            if counter is None:  # longer contexts have not been seen either
                break
            kinds, total = len(counter), self.totals[context[len(context) - length :]]
            probability = (counter[character] + kinds * probability) / (total + kinds)
        return probability

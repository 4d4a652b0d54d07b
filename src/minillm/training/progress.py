"""Progress on the screen, a whole line at a time: several models may train side by side."""

import time

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 10
STEPS_BEFORE_ESTIMATE = 5


def say(message: str) -> None:
    """A line on the screen, at once."""
    print(message, flush=True)


class Meter:
    """Time, speed and the lines that tell them. The first step, which may compile, is not in the speed.

    `before` are the seconds that an earlier process took for the steps up to `first_step`.
    """

    def __init__(self, name: str, steps: int, first_step: int, tokens_per_step: int, before: float) -> None:
        self.name, self.steps, self.first_step, self.tokens_per_step = name, steps, first_step, tokens_per_step
        self.before = before
        self.start = self.first_done = self.last_line = time.monotonic()
        self.estimated = False

    def seconds(self) -> float:
        """Seconds of training."""
        return self.before + time.monotonic() - self.start

    def speed(self, step: int) -> float:
        """Tokens a second since the first step."""
        return (step - self.first_step - 1) * self.tokens_per_step / max(time.monotonic() - self.first_done, 1e-9)

    def after(self, step: int) -> bool:
        """Note the end of a step, say once how long it will take, and tell whether a line is due."""
        done = step - self.first_step
        if done == 1:
            self.first_done = time.monotonic()
        if not self.estimated and done > STEPS_BEFORE_ESTIMATE:
            minutes = (self.steps - step) * self.tokens_per_step / self.speed(step) / 60
            say(f"{self.name}: about {minutes:.1f} minutes to go")
            self.estimated = True
        return step == self.steps or time.monotonic() - self.last_line >= SECONDS_BETWEEN_LINES

    def show(self, step: int, loss: float) -> None:
        """A bar with the loss in nats a token."""
        self.last_line = time.monotonic()
        say(
            tqdm.format_meter(
                step,
                self.steps,
                time.monotonic() - self.start,
                ncols=100,
                prefix=self.name,
                ascii=True,
                unit="step",
                initial=self.first_step,
                postfix=f"loss {loss:.2f}, {self.speed(step):,.0f} tokens/s",
            )
        )

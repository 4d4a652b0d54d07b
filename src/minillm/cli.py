"""What a person types: `minillm COMMAND`. Each command is a plain function of its own module."""

import argparse
import os
import sys
import traceback

from minillm.watch import find_run, watch

A_MODEL = "a folder with a saved model, the name of a model under results/, or a name on Hugging Face's hub"


def main() -> int:
    """Run the command of the command line; its exit status, with a line on standard error if it cannot be done."""
    arguments = _parser().parse_args()
    try:
        return arguments.function(arguments) or 0
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # who reads has enough; Python would complain once more when it flushes at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (ValueError, OSError) as error:
        print(f"minillm {arguments.command}: {' '.join(str(error).split())}", file=sys.stderr)
    except Exception:  # not foreseen: Python's own status for it, 1, may have a meaning of the command's
        traceback.print_exc()
    return arguments.failure  # type: ignore[no-any-return]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="minillm", description="Small tools around the pipeline; snakemake runs it.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    command = commands.add_parser(
        "watch", help="show the learning curves of a run", description="Show the learning curves of a run as they grow."
    )
    command.add_argument("run", nargs="?", help="name or folder of a run; without it, the one that trained last")
    command.set_defaults(function=lambda arguments: watch(find_run(arguments.run), sys.stdout), failure=1)

    command = commands.add_parser(
        "audit",
        help="find out whether a language model sees the future",
        description="Find out whether a language model sees the tokens that it must predict, and what to change if so.",
        epilog="Exit status: 0 if it is causal, 1 if it leaks, 2 if it cannot be audited.",
    )
    command.add_argument("what", help="a folder with a saved model, a name on Hugging Face's hub, or file.py:Class")
    command.add_argument("--context", type=int, help="tokens to try it with; by default what a minute allows")
    command.add_argument("--vocabulary-size", type=int, help="what a class is called with; by default 101")
    command.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a keyword argument of a class, its value in JSON; can be given several times",
    )
    command.set_defaults(function=_audit, failure=2)

    command = commands.add_parser(
        "generate",
        help="let a model continue a text",
        description="Let a model continue a text; the same seed gives the same text.",
    )
    _add_sampling(command, max_tokens=64)
    command.set_defaults(function=_generate, failure=1)

    command = commands.add_parser(
        "tokens",
        help="show what a model chooses each token from",
        description="Let a model continue a text, as generate does, and show the likeliest tokens at each step with "
        "the probabilities they were drawn with (at temperature 0 the model's own); > stands before the chosen one.",
    )
    command.add_argument("--top", type=_positive, default=5, help="how many candidates; by default %(default)s")
    _add_sampling(command, max_tokens=16)
    command.set_defaults(function=_tokens, failure=1)

    command = commands.add_parser(
        "parameters",
        help="list the parameters of a model",
        description="List every parameter tensor of a model: its name, its shape, how many numbers it has, what it is.",
    )
    command.add_argument("model", help=A_MODEL)
    command.set_defaults(function=_parameters, failure=1)

    command = commands.add_parser(
        "classify",
        help="tell the sentiment of texts",
        description="Tell whether texts are negative, neutral or positive: the label, its probability, the text.",
    )
    command.add_argument("texts", nargs="*", metavar="text", help="without one, each line of standard input is a text")
    command.add_argument(
        "--model",
        help="a folder with a fine-tuned model or a name on Hugging Face's hub; without it, that of the newest "
        "sentiment study",
    )
    command.set_defaults(function=_classify, failure=1)
    return parser


def _add_sampling(command: argparse.ArgumentParser, max_tokens: int) -> None:
    command.add_argument("prompt", help="the beginning of the text, or - to read it from standard input")
    command.add_argument("--model", default="improved", help=f"{A_MODEL}; by default %(default)s")
    command.add_argument(
        "--temperature",
        type=float,
        default=0.8,
        help="0 takes the most probable token, 1 draws from the model's probabilities, more is bolder; by default "
        "%(default)s",
    )
    command.add_argument(
        "--top-k", type=int, metavar="K", help="draw from the K most probable tokens; by default from all"
    )
    command.add_argument(
        "--top-p",
        type=float,
        default=1.0,
        metavar="P",
        help="draw from the fewest most probable tokens whose share is at least P; by default %(default)s, from all",
    )
    command.add_argument("--seed", type=_natural, default=1, help="of the draws; by default %(default)s")
    command.add_argument(
        "--max-new-tokens",
        type=_positive,
        default=max_tokens,
        metavar="N",
        help="length of what is written, unless the model ends it before; by default %(default)s",
    )


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return int(text)


def _natural(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 up")
    return int(text)


def _prompt(arguments: argparse.Namespace) -> str:
    return sys.stdin.read() if arguments.prompt == "-" else arguments.prompt


def _generate(arguments: argparse.Namespace) -> None:
    from minillm.evaluation.generation import Sampling  # noqa: PLC0415 (as below)
    from minillm.studies.talk import talk  # noqa: PLC0415

    sampling = Sampling(temperature=arguments.temperature, top_k=arguments.top_k, top_p=arguments.top_p)
    prompt = _prompt(arguments)
    talk(arguments.model, prompt, arguments.max_new_tokens, sampling, arguments.seed, sys.stdout)


def _tokens(arguments: argparse.Namespace) -> None:
    from minillm.evaluation.generation import Sampling  # noqa: PLC0415 (as below)
    from minillm.studies.candidates import table  # noqa: PLC0415
    from minillm.studies.models import load  # noqa: PLC0415

    sampling = Sampling(temperature=arguments.temperature, top_k=arguments.top_k, top_p=arguments.top_p)
    model, tokenizer = load(arguments.model)
    count, top = arguments.max_new_tokens, arguments.top
    for line in table(model, tokenizer, _prompt(arguments), count, top, sampling, arguments.seed):
        print(line, flush=True)


def _parameters(arguments: argparse.Namespace) -> None:
    from minillm.studies.models import load_network_alone  # noqa: PLC0415 (as below)
    from minillm.studies.parameters import table  # noqa: PLC0415

    for line in table(load_network_alone(arguments.model)):
        print(line)


def _audit(arguments: argparse.Namespace) -> int:
    from minillm.evaluation.audit import audit  # noqa: PLC0415 (torch takes seconds, which `watch` need not wait)

    return audit(arguments.what, sys.stdout, arguments.vocabulary_size, arguments.context, arguments.option)


def _classify(arguments: argparse.Namespace) -> None:
    from minillm.studies.classify import classify  # noqa: PLC0415 (torch takes seconds)

    # A file of texts may have blank lines.
    texts = arguments.texts or (line for line in sys.stdin if line.strip())
    classify(texts, arguments.model, sys.stdout)

"""What a person types: `minillm COMMAND`. Each command is a plain function of its own module."""

import argparse
import sys
import traceback

from minillm.watch import find_run, watch


def main() -> int:
    """Run the command of the command line; its exit status, with a line on standard error if it cannot be done."""
    arguments = _parser().parse_args()
    try:
        return arguments.function(arguments) or 0
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
    return parser


def _audit(arguments: argparse.Namespace) -> int:
    from minillm.evaluation.audit import audit  # noqa: PLC0415 (torch takes seconds, which `watch` need not wait)

    return audit(arguments.what, sys.stdout, arguments.vocabulary_size, arguments.context, arguments.option)

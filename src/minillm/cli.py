"""What a person types: `minillm COMMAND`. Each command is a plain function of its own module."""

import argparse
import sys

from minillm.watch import find_run, watch


def main() -> int:
    """Run the command of the command line; its exit status, after one line on standard error if it is not 0."""
    arguments = _parser().parse_args()
    try:
        arguments.function(arguments)
    except (ValueError, OSError) as error:
        print(f"minillm {arguments.command}: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="minillm", description="Small tools around the pipeline; snakemake runs it.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    command = commands.add_parser(
        "watch", help="show the learning curves of a run", description="Show the learning curves of a run as they grow."
    )
    command.add_argument("run", nargs="?", help="name or folder of a run; without it, the one that trained last")
    command.set_defaults(function=lambda arguments: watch(find_run(arguments.run), sys.stdout))
    return parser

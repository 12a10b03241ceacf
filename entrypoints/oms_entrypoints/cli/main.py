"""Where ``oms`` begins, and how it ends: every trouble is a sentence and an exit code."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

from oms_core.errors import (
    ConfigurationError,
    InvalidInput,
    InventoryUnusable,
    OmsError,
    StoreUnavailable,
    StoreUnusable,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

REFUSED: Final = 1
"""The command ran, and the answer was no."""
CANNOT_RUN: Final = 2
"""The command line, the configuration or the store does not let it run."""
BUG: Final = 70
INTERRUPTED: Final = 130
DEBUG_VARIABLE: Final = "OMS_DEBUG"

_HINDRANCES: Final = (
    ConfigurationError,
    InvalidInput,
    InventoryUnusable,
    StoreUnavailable,
    StoreUnusable,
)
"""What keeps a command from running; any other error of ours is an answer."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and end the process.

    The exit code is 0 if it did what was asked, 1 if the answer was no, 2 if it could not
    run, 130 if it was interrupted.
    """
    try:
        import click

        from oms_entrypoints.cli.commands import oms
    except ImportError as missing:
        say(
            f"The command line needs the package {missing.name}; install it with "
            "pip install 'oms-core[server]'."
        )
        sys.exit(CANNOT_RUN)
    try:
        code = oms.main(arguments, prog_name="oms", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        say(_told(error))
        code = CANNOT_RUN
    except (KeyboardInterrupt, click.Abort):
        code = INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has heard enough; Python must not complain at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception as error:
        if DEBUG_VARIABLE in os.environ:
            raise
        code = _explain(error)
    sys.exit(code if isinstance(code, int) else 0)


def say(sentence: str) -> None:
    """Tell the person at the terminal what is the matter."""
    print(f"oms: {sentence}", file=sys.stderr)  # noqa: T201 - this is where it is printed


def _explain(error: Exception) -> int:
    """Say what went wrong; returns the exit code."""
    match error:
        case ConfigurationError(mistakes=mistakes) if len(mistakes) > 1:
            say(f"The configuration has {len(mistakes)} mistakes:")
            for mistake in mistakes:
                print(f"  {mistake}", file=sys.stderr)  # noqa: T201 - likewise
        case InvalidInput():
            for wrong in error.mistakes:
                say(f"{wrong.pointer.strip('/') or 'The request'} {wrong.message}.")
        case OmsError():
            say(error.sentence)
        case _:
            say(
                f"This is a bug: an unexpected {type(error).__name__}. Set {DEBUG_VARIABLE}=1 to "
                "see where it comes from, and report it."
            )
            return BUG
    return CANNOT_RUN if isinstance(error, _HINDRANCES) else REFUSED


def _told(error: Exception) -> str:
    """Return a mistake on the command line as one sentence, with the way to the help."""
    from click import ClickException, UsageError

    if not isinstance(error, ClickException):
        return str(error)
    message = error.format_message().rstrip(".").replace("\n", " ")
    if isinstance(error, UsageError) and error.ctx is not None:
        return f"{message}; see {error.ctx.command_path} --help."
    return f"{message}."

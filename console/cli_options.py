"""What the commands share: how errors end, the options that name a deployment, those that narrow a look."""

from __future__ import annotations

import functools
import getpass
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from .config import Settings
from .errors import Conflict, ConsoleError
from .masking import mask_text
from .service import Console
from .terminal import harmless


class Commands(click.Group):
    """Turns exceptions raised on purpose into one sentence and an exit code, whatever the command."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except Conflict as error:
            click.echo(f"lsconsole: {harmless(str(error))}", err=True)
            ctx.exit(1)
        except ConsoleError as error:
            click.echo(f"lsconsole: {harmless(str(error))}", err=True)
            ctx.exit(2)
        except BrokenPipeError:
            stop_writing()
            ctx.exit(0)
        except click.Abort:
            ctx.exit(130)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except Exception as error:
            ctx.exit(_our_own_failure(error))


def stop_writing() -> None:
    """The reader is gone (`| head`): what is left in the buffer must not raise again at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _our_own_failure(error: Exception) -> int:
    """One sentence instead of a traceback; the place is told, for a report to the makers."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    told = mask_text(f"{type(error).__name__}: {error}".splitlines()[0])
    where = f"{Path(place.filename).name}:{place.lineno}"
    click.echo(f"lsconsole: stopped by an error of its own ({told}, {where}). Nothing more was done.", err=True)
    return 2


def attached(function: Callable[..., Any]) -> Callable[..., Any]:
    """Options every command that needs a deployment takes; the command is handed a Console."""

    @click.option("--database-url", metavar="URL", help="Label Studio's database. [LSCONSOLE_DATABASE_URL]")
    @click.option("--redis-url", metavar="URL", help="Label Studio's Redis, only read. [LSCONSOLE_REDIS_URL]")
    @click.option("--state-url", metavar="URL", help="Our own store. [LSCONSOLE_STATE_URL]")
    @click.option(
        "--config", "config_file", type=click.Path(path_type=Path), help="Config file (TOML). [LSCONSOLE_CONFIG]"
    )
    @functools.wraps(function)
    def wrapped(*args: Any, database_url: str | None, redis_url: str | None, state_url: str | None,
                config_file: Path | None, **kwargs: Any) -> Any:  # fmt: skip
        settings = Settings.load(
            config_file=config_file, database_url=database_url, redis_url=redis_url, state_url=state_url
        )
        console = Console(settings)
        try:
            return function(console, *args, **kwargs)
        finally:
            console.close()

    return wrapped


def narrowed(function: Callable[..., Any]) -> Callable[..., Any]:
    """Options that narrow what is looked at."""
    function = click.option("--user", metavar="EMAIL", help="Only this account, in whatever case.")(function)
    function = click.option("--storage", metavar="s3:N", help="Only this storage, such as s3:4.")(function)
    return click.option("--project", metavar="N", type=int, help="Only this project and its storages.")(function)


def who() -> str:
    """How the audit log names somebody at a terminal."""
    try:
        return f"{getpass.getuser()} (terminal)"
    except (KeyError, OSError):
        return "terminal"

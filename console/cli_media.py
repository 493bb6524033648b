"""`lsconsole media`: why does this file not show?"""

from __future__ import annotations

import json
import sys

import click

from . import terminal
from .cli_options import attached
from .service import Console


@click.command()
@click.argument("text")
@click.option("--project", metavar="N", type=int, help="The project of a link that stands alone.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@attached
def media(console: Console, text: str, project: int | None, form: str) -> None:
    """Follow a failing URL, a link of task data or a task id as a browser does, and say why it does not show.

    \b
    Exit codes: 0 nothing wrong seen, 1 a cause was found, 3 something could not be told.
    """
    from .doctor import media as doctor
    from .doctor import media_text

    story = doctor.story(console.deployment, console.settings, text, project_id=project)
    if form == "json":
        click.echo(json.dumps(story, indent=2, ensure_ascii=False))
    else:
        for line in media_text.lines(story):
            click.echo(terminal.harmless(line))
    sys.exit({"ok": 0, "failed": 1}.get(story["state"], 3))

"""`snqd completion`: the script that teaches a shell to complete snqd's commands and flags."""

from __future__ import annotations

import click

from snqd.cli import COMPLETION_VARIABLE
from snqd.cli.options import HELP_FLAGS

_SHELLS = ("bash", "zsh", "fish")


@click.command(
    context_settings=HELP_FLAGS,
    epilog="""\
\b
Examples:
  snqd completion bash > ~/.local/share/bash-completion/completions/snqd
  snqd completion zsh > ~/.zfunc/_snqd          (a folder of $fpath)
  snqd completion fish > ~/.config/fish/completions/snqd.fish
""",
)
@click.argument("shell", type=click.Choice(_SHELLS))
def completion(shell: str) -> None:
    """Print the completion script for SHELL; the next shell you start completes with Tab."""
    from click.shell_completion import ShellComplete, get_completion_class

    from snqd.cli.app import app

    found = get_completion_class(shell)
    assert found is not None, shell
    # Not found.source(): for bash that runs the bash of this machine to look at its version.
    click.echo(ShellComplete.source(found(app, {}, "snqd", COMPLETION_VARIABLE)))

"""`deploy completion`."""

from __future__ import annotations

import click

from deployer.console.say import say


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> int:
    """Print shell completion.

    \b
    Examples:
      deploy completion bash >> ~/.bashrc
      deploy completion zsh >> ~/.zshrc
      deploy completion fish > ~/.config/fish/completions/deploy.fish
    """
    from click.shell_completion import ShellComplete, get_completion_class

    from deployer.cli import cli

    kind = get_completion_class(shell)
    if kind is not None:
        # not kind's own: for bash it runs the `bash` that it finds to ask for its version
        say(ShellComplete.source(kind(cli, {}, "deploy", "_DEPLOY_COMPLETE")))
    return 0

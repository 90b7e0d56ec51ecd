"""The command `station`: set up, check, run and read a station directory.

Each command imports what it needs itself, so that the small ones start quickly.
Exit codes: 0 done, 1 the unit or record failed the check, 2 usage or configuration, 3 a service is away.
"""

import logging
from importlib import import_module

import click

COMMANDS = {
    "serving": ("init", "check", "run", "slots", "commands"),
    "history": ("unit", "runs"),
    "lifecycle": ("lifecycle",),
    "passports": ("passport",),
    "labels": ("label",),
    "people": ("user",),
    "components": ("component",),
    "orders": ("order",),
    "batch": ("batch",),
    "bundle": ("bundle",),
    "results": ("result",),
    "mes": ("mes",),
    "cpms": ("cpms",),
    "outbox": ("outbox",),
    "printers": ("printer",),
    "quality": ("hold", "lift", "holds", "scrap", "rework", "golden", "first-article", "clear", "handover"),
    "definitions": ("product", "recipe"),
    "firmware": ("firmware",),
    "preflight": ("preflight",),
    "accept": ("accept",),
    "audit": ("audit",),
    "search": ("search", "recall"),
    "tokens": ("token",),
    "figures": ("figures",),
    "export": ("export",),
    "keeping": ("backup", "restore", "retention", "archive"),
}
"""Commands by the module that has them; a module is loaded when one of its commands is asked for."""


class Commands(click.Group):
    """The commands, each loaded when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all names."""
        del ctx
        return sorted(name for names in COMMANDS.values() for name in names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a command."""
        del ctx
        for module, names in COMMANDS.items():
            if cmd_name in names:
                found: click.Command = getattr(import_module(f"station.cli.{module}"), cmd_name.replace("-", "_"))
                return found
        return None


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--verbose", is_flag=True, help="Log more.")
def main(*, verbose: bool) -> None:
    """Factory provisioning station for EV chargers.

    \b
    Examples:
      station init line3 --slots 4        create a station directory
      station check --dir line3           test every promise of its configuration
      station run --dir line3             serve the line
      station unit AC22-000017            everything known about one unit
    """
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    libraries = ("httpx", "httpcore", "websockets", "asyncio", "alembic", "smpclient", "smp", "ocpp", "uvicorn")
    for noisy in (*libraries, "pikepdf", "pyhanko"):
        logging.getLogger(noisy).setLevel(logging.WARNING)

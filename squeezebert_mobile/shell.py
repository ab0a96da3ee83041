"""How commands are made of options, what their help looks like, and how the process ends."""

import inspect
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

import typer
from typer.core import TyperCommand

from squeezebert_mobile.console import Screen, quiet
from squeezebert_mobile.errors import EnvironmentFault, SqueezeBertMobileError, one_line
from squeezebert_mobile.options import Options, Quiet

Chosen = TypeVar("Chosen", bound=Options)
Command = Callable[[Chosen, Screen], None]

PROGRAM = "squeezebert-mobile"
INTERRUPTED = 130
_NO_MEMORY = ("failed to map", "allocate", "out of memory")
TERMINATED = 143
Json = Annotated[bool, typer.Option("--json", help="print one JSON value", rich_help_panel="Output")]

app = typer.Typer(
    help="SqueezeBERT checkpoints as verified bundles for phones: ONNX Runtime and ExecuTorch, fp32 and int8.",
    epilog="squeezebert-mobile COMMAND --help shows the options of a command and examples.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class _Command(TyperCommand):
    """A command whose help has its options in groups, and that knows old names of options."""

    aliases: dict[str, str]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the command line, options by their old names too."""
        end = args.index("--") if "--" in args else len(args)
        return super().parse_args(ctx, [*map(self._renamed, args[:end]), *args[end:]])

    def _renamed(self, argument: str) -> str:
        name, equals, value = argument.partition("=")
        return self.aliases.get(name, name) + equals + value

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """What follows the command's name in the first line of its help."""
        arguments = [each for each in self.get_params(ctx) if each.param_type_name == "argument"]
        return [*map(_argument, arguments), "[OPTIONS]"]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, then each group of options under its name."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            is_argument = parameter.param_type_name == "argument"
            if record := parameter.get_help_record(ctx):
                group = getattr(parameter, "rich_help_panel", None) or ("Arguments" if is_argument else "Output")
                name = _argument(parameter) if is_argument else record[0]
                groups.setdefault(group, []).append((name, record[1]))
        # What every command has comes last.
        for name in sorted(groups, key="Output".__eq__):
            with formatter.section(name):
                formatter.write_dl(groups[name])


def _argument(parameter: Any) -> str:
    name = parameter.metavar + ("..." if parameter.nargs == -1 else "")
    return name if parameter.required else f"[{name}]"


def command(
    kind: type[Chosen], *, quiet: bool = False, epilog: str | None = None
) -> Callable[[Command[Chosen]], Command[Chosen]]:
    """Make a command of a function: its name and docstring, the fields of ``kind``, --json and, if asked, --quiet."""
    shared = {"as_json": Json, "quiet": Quiet} if quiet else {"as_json": Json}
    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter(name, keyword, annotation=hint, default=False) for name, hint in shared.items()]

    def register(function: Command[Chosen]) -> Command[Chosen]:
        name = function.__name__.replace("_", "-")

        def call(**values: Any) -> None:
            screen = Screen(**{name: values.pop(name) for name in shared})
            function(kind.parse(values), screen)

        call.__signature__ = inspect.Signature([*kind.parameters(), *parameters])  # type: ignore[attr-defined]
        made = type("Made", (_Command,), {"aliases": kind.ALIASES})
        below = "\n\n".join(part for part in (examples(name, kind.EXAMPLES), epilog) if part)
        app.command(name, cls=made, help=function.__doc__, epilog=below)(call)
        return function

    return register


def examples(name: str, lines: Sequence[str]) -> str:
    """Calls of a command as a paragraph of its help; the backspace keeps its lines as they are."""
    return "\n".join(["\b", "Examples:", *(f"  {PROGRAM} {name} {line}".rstrip() for line in lines)])


def _print_version(wanted: bool) -> None:
    if wanted:
        from squeezebert_mobile import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of an error")] = False,
    version: Annotated[
        bool, typer.Option("-V", "--version", callback=_print_version, is_eager=True, help="print the version")
    ] = False,
) -> None:
    """Options of every command."""


def main() -> None:
    """Run the command; every failure is an error with its fix on stderr, and an exit code."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        with quiet():
            code = app(sys.argv[1:] or ["--help"], prog_name=PROGRAM, standalone_mode=False)
    except SqueezeBertMobileError as error:
        code = _fail(str(error), error.exit_code, error)
    except typer.TyperException as error:
        text = " ".join(error.format_message().split()).replace("Value error, ", "").removesuffix(".")
        code = _fail(f"{_command(error)}: {text}; fix: {_command(error)} --help", 2, error)
    except (KeyboardInterrupt, typer.Abort) as error:
        typer.echo(f"interrupted: {error}" if str(error) else "interrupted: nothing was written", err=True)
        code = INTERRUPTED
    except (MemoryError, ImportError, OSError, RuntimeError) as error:
        fault = _of_machine(error)
        code = _fail(str(fault), fault.exit_code, error)
    sys.exit(code)


def _command(error: typer.TyperException) -> str:
    if context := getattr(error, "ctx", None):
        return str(context.command_path)
    # The parser of a command does not say whose it is.
    typed = [name for name in sys.argv[1:] if name in {command.name for command in app.registered_commands}]
    return " ".join([PROGRAM, *typed[:1]])


def _of_machine(error: Exception) -> EnvironmentFault:
    """What this machine lacks, by the error of a library; raises the error itself where it says something else."""
    reason = " ".join(str(error).split())[:300]
    # A library that has no room is "failed to map", not a lack of memory, to whoever imports it.
    if isinstance(error, MemoryError) or any(words in reason for words in _NO_MEMORY):
        fix = "close other programs, lift the limit (ulimit -v), or use a machine with more memory"
        return EnvironmentFault("system", f"no memory is left: {reason or 'nobody says for what'}", fix=fix)
    if isinstance(error, ImportError):
        fix = "make install in the checkout, or squeezebert-mobile doctor, which says what is missing"
        return EnvironmentFault(error.name or "system", f"cannot be imported: {reason}", fix=fix)
    if isinstance(error, OSError):
        fix = "check the disk, the path and its permissions"
        return EnvironmentFault(error.filename or "system", error.strerror or reason, fix=fix)
    raise error


def _fail(message: str, code: int, error: BaseException) -> int:
    if "--debug" in sys.argv:
        traceback.print_exception(error)
    typer.echo(
        shown_error(one_line(message), terminal=sys.stderr.isatty(), colour="NO_COLOR" not in os.environ), err=True
    )
    return code


def shown_error(message: str, *, terminal: bool, colour: bool) -> str:
    """An error of one line as a log or a program wants it; for people, its fix on a line of its own."""
    what, _, fix = message.rpartition("; fix: ")
    if not terminal or not what:
        return f"error: {message}"
    error, step = ("\033[1;31merror\033[0m", "\033[1;32mfix\033[0m") if colour else ("error", "fix")
    return f"{error}: {what}\n  {step}: {fix}"


def _terminate(*_: object) -> None:
    """Leave by an exception, so that temporary folders are removed."""
    sys.exit(TERMINATED)

"""Pages of commands, from their argument parsers."""

from __future__ import annotations

import argparse
import ast
import importlib
from collections.abc import Iterator
from typing import Any

from benchmark.docs_pages.markdown import prose, render, table
from benchmark.docs_pages.sources import PROJECT, parsed


def command_names() -> list[str]:
    """The commands: files of ``benchmark/`` that have a ``_parser``."""
    return [path.stem for path in sorted((PROJECT / "benchmark").glob("*.py"))
            if any(isinstance(node, ast.FunctionDef) and node.name == "_parser" for node in parsed(path).body)]


def command_pages() -> dict[str, tuple[str, str]]:
    """By file: the page and what the command does, in a sentence."""
    found = {}
    for name in command_names():
        parser = importlib.import_module(f"benchmark.{name}")._parser()
        found[f"commands/{name}.md"] = _page(name, parser), _sentence(parser.description)
    return found


def _page(name: str, parser: argparse.ArgumentParser) -> str:
    parts = [{"usage": f"python benchmark/{' '.join([name + '.py', *path])}", "about": about or "",
              "groups": list(_groups(own))} for path, about, own in _leaves(parser)]
    return render("command.md.j2", name=f"{name}.py", about=prose(parser.description or ""), parts=parts,
                  epilog=(parser.epilog or "").strip("\n"))


def _leaves(parser: argparse.ArgumentParser, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str,
                                                                                             argparse.ArgumentParser]]:
    # the command itself, or each of its commands
    subs = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not subs:
        yield path, parser.description if path else "", parser
    for action in subs:
        helps = {choice.dest: choice.help for choice in action._choices_actions}
        for name, own in action.choices.items():
            for found, about, leaf in _leaves(own, (*path, name)):
                yield found, about or helps.get(name) or "", leaf


def _groups(parser: argparse.ArgumentParser) -> Iterator[dict[str, str]]:
    titles = {"positional arguments": "Arguments", "options": "Options"}
    for group in sorted(parser._action_groups, key=lambda group: group.title == "options"):
        rows = [(f"`{_flags(parser, action)}`", _help(parser, action)) for action in group._group_actions
                if not isinstance(action, argparse._HelpAction)]
        if rows:
            yield {"title": titles.get(group.title, group.title[:1].upper() + group.title[1:]),
                   "table": table(("option", "what it says"), rows)}


def _flags(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    formatter = parser._get_formatter()
    if not action.option_strings:
        return formatter._format_args(action, formatter._get_default_metavar_for_positional(action))
    value = "" if action.nargs == 0 else " " + formatter._format_args(
        action, formatter._get_default_metavar_for_optional(action))
    return ", ".join(action.option_strings) + value


def _help(parser: argparse.ArgumentParser, action: Any) -> str:
    # a default below the repository is said as it is there, or the page would differ between machines
    text = parser._get_formatter()._expand_help(action) if action.help else ""
    text = text.replace(f"{PROJECT}/", "")
    return text + (" (required)" if action.required and action.option_strings else "")


def _sentence(text: str | None) -> str:
    first = " ".join((text or "").split()).split(". ")[0]
    return first[:1].upper() + first[1:].rstrip(".") + "."

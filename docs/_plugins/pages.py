"""Pages that are made when the site is built: the tutorial from its notebook, the commands' help, files of the root."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
FROM_ROOT = {"changelog.md": "CHANGELOG.md", "contributing.md": "CONTRIBUTING.md", "security.md": "SECURITY.md"}


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that have no file in docs/."""
    pages = {page: from_root(file) for page, file in FROM_ROOT.items()}
    pages["tutorial.md"] = notebook_page(ROOT / "docs" / "tutorial.ipynb")
    pages["reference/commands.md"] = commands_page()
    for uri, text in pages.items():
        files.append(File.generated(config, uri, content=text))
    return files


def from_root(file: str) -> str:
    """Return a page of the repository's root, its links to docs/ made links within the site."""
    return (ROOT / file).read_text(encoding="utf-8").replace("](docs/", "](")


def notebook_page(path: Path) -> str:
    """Return a notebook as Markdown: its text, its code, and what the code printed."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    note = "[Download this page as a notebook](tutorial.ipynb); a test runs it.\n"
    first, *rest = ["\n".join(filter(None, _cell(cell))) for cell in cells]
    return "\n\n".join([first, note, *rest]) + "\n"


def _cell(cell: dict[str, Any]) -> list[str]:
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        return [source]
    return [f"```python\n{source}\n```", *[_output(output) for output in cell["outputs"]]]


def _output(output: dict[str, Any]) -> str:
    if output["output_type"] == "stream":
        return "" if output["name"] == "stderr" else f"\n```text\n{''.join(output['text']).rstrip()}\n```"
    data = output["data"]
    if "image/png" in data:
        return f'\n<img alt="What the cell above draws" src="data:image/png;base64,{data["image/png"].strip()}">'
    return f"\n```text\n{''.join(data['text/plain'])}\n```"


def commands_page() -> str:
    """Return the help of every command, as ``--help`` prints it."""
    import typer

    from debias_pt.cli.main import app

    command = typer.main.get_command(app)
    text = ["# Commands\n\nWhat `--help` prints. `debias-pt data list` and `debias-pt models` list names.\n"]
    for name, one in sorted(_leaves(command, "debias-pt")):
        with one.make_context(name, [], resilient_parsing=True, max_content_width=100, terminal_width=100) as context:
            text.append(f"## {name}\n\n```text\n{one.get_help(context).rstrip()}\n```\n")
    return "\n".join(text)


def _leaves(command: Any, name: str) -> list[tuple[str, Any]]:
    children = getattr(command, "commands", {})
    return [leaf for key, child in children.items() for leaf in _leaves(child, f"{name} {key}")] or [(name, command)]


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Mark commands in indented blocks as shell, so that they are coloured and can be copied."""
    lines = r"((?:^    .*\n?)+)"
    return re.sub(
        r"(?<=\n\n)(?=    (?:debias-pt|python -m|pip) )" + lines,
        lambda block: "```bash\n" + re.sub(r"^    ", "", block[1], flags=re.M).rstrip() + "\n```\n",
        markdown,
        flags=re.M,
    )

"""Notebooks as pages: their text, code and recorded outputs, with the pictures inside."""

from __future__ import annotations

import base64
import json
from typing import Any


def on_files(files: Any, config: Any) -> Any:
    """Let mkdocs treat notebooks as pages."""
    for file in files:
        if file.src_uri.endswith(".ipynb"):
            file.is_documentation_page = lambda: True
            file.dest_uri = file.src_uri.removesuffix(".ipynb") + ".html"
            file.url = file.dest_uri
    return files


def on_page_read_source(page: Any, config: Any) -> str | None:
    """Markdown of a notebook."""
    if not page.file.src_uri.endswith(".ipynb"):
        return None
    return markdown(json.loads(page.file.content_string))


def markdown(notebook: dict[str, Any]) -> str:
    """Cells one after another; pictures as data, text as it was printed."""
    pieces: list[str] = []
    for cell in notebook["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            pieces.append(text)
            continue
        pieces.append(f"```python\n{text}\n```")
        for output in cell["outputs"]:
            data = output.get("data", {})
            if "image/svg+xml" in data:
                svg = base64.b64encode("".join(data["image/svg+xml"]).encode()).decode()
                pieces.append(f"![what the cell above draws](data:image/svg+xml;base64,{svg})")
            elif "image/png" in data:
                pieces.append(
                    f"![what the cell above draws](data:image/png;base64,{''.join(data['image/png']).strip()})"
                )
            else:
                shown = "".join(output.get("text") or data.get("text/plain", ""))
                pieces.append(f"```text\n{shown.rstrip()}\n```")
    return "\n\n".join(pieces)

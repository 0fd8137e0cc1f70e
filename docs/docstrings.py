"""Docstrings as Markdown: brackets in them are mathematics (W[1], X[b, r]), not links, and examples are code."""

from __future__ import annotations

import re
from typing import Any

import griffe

_EXAMPLE = re.compile(r"^>>> .*(?:\n.+)*", flags=re.MULTILINE)
_CODE = re.compile(r"(^```pycon\n.*?^```$|``[^`]+``|`[^`]+`)", flags=re.MULTILINE | re.DOTALL)


class Brackets(griffe.Extension):
    """Fences examples, and escapes what Markdown would read as links or emphasis, outside of code."""

    def on_object(self, *, obj: Any, **_: Any) -> None:
        if obj.docstring:
            text = _EXAMPLE.sub(lambda example: f"```pycon\n{example[0]}\n```", obj.docstring.value)
            obj.docstring.value = "".join(p if k % 2 else _escaped(p) for k, p in enumerate(_CODE.split(text)))


def _escaped(text: str) -> str:
    return re.sub(r"(?<!\\)([\[\]*_<])", r"\\\1", text)

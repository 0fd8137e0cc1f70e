"""Errors that a user can put right. The command line prints the message as one line and exits with 2."""

from __future__ import annotations


class InputError(ValueError):
    """Wrong usage or bad input. The message is one line: what was given, what was needed, the likely fix."""

"""The one error of the kernel: what was offered is not a proof, a witness or a well-formed noun."""

from __future__ import annotations


class KernelError(Exception):
    """Rejected by the kernel.

    The message says what was given and what was needed. It is never caught and turned into a success: a certificate
    whose check raises is a certificate that is not accepted.
    """

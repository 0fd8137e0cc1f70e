"""Producers of symbolic certificates: they may guess anything; the kernel checks."""

"""Producers of counterexamples: they search, and decide nothing."""

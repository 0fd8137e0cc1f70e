"""Derivation notes of a record: one document, written as HTML, LaTeX and PDF."""

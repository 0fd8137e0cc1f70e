"""High-precision gradient flow."""

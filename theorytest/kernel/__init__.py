"""The trusted kernel: standard library and python-flint only; no floats, no globals, no input or output."""

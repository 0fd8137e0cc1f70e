"""Side-by-side benchmarks: our integrators and the packages that others use, in one run, at equal achieved error."""

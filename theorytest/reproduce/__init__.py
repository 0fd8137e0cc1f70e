"""The figures and tables of the papers, and runs on real data."""

"""One module for each figure or table, or family of figures that share their runs (`theorytest.reproduce.figure`)."""

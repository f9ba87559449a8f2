"""Published benchmarks as data, where their files come from, and what a path on this disk is."""

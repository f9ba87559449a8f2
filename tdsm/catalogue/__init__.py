"""Published benchmarks as data, sources of their files, and identification of files and folders."""

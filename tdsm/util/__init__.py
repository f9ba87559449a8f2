"""What every module may use: one-line errors, files written whole or not at all, progress bars, HTML tables, provenance."""

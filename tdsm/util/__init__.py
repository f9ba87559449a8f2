"""Shared utilities: one-line errors, atomic file writing, checksums, progress bars, HTML tables, provenance."""

"""Experiments: cells of (clips, settings, seed), their stages on disk, tables and saved results."""

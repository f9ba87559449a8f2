"""Experiments: cells (clips, settings, seed), the stages that are computed for them and stored on disk, tables, and saved results."""

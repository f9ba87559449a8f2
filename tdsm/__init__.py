"""Zero-shot skeleton-based action recognition."""

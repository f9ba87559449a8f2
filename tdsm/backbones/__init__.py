"""Backbones: from a clip to z_x and from a label to its text features."""

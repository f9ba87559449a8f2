"""Backbones: encode clips to z_x and labels to text features."""

"""Clips: layouts, the Clip and ClipSet classes, readers, conversion, preprocessing, prompts, synthetic and generated motion."""

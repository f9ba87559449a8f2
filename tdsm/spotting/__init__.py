"""Long recordings: which labelled action is when."""

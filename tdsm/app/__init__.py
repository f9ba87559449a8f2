"""The page in the browser, landmarks as they come in, and the demo."""

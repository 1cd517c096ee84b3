"""The composition root, the commands that start it, and its servers."""

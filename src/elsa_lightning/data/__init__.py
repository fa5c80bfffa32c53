"""Clips, captions and rooms → batches. Importing this package imports no torch; its modules `types`, `spatialize`, … do."""

"""Search in a folder of recordings: an index on disk, built file by file, asked by text or sound. See docs/api.md."""

"""Corpora that may be fetched openly: where their files are, and fetching them whole. Imports neither torch nor numpy."""

"""The package's version, in a file that imports nothing (setup.cfg reads it without importing the package)."""

__version__ = "0.1.0"

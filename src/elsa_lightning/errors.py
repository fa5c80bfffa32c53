"""The one exception that users are meant to read.

Everything that a user can mend (a misspelt key, a missing file, a wrong channel count) is raised as an `ElsaError` whose text names the
thing and the remedy. The command line prints it as one message and exits with `exit_code`; any other exception is a bug and keeps its
traceback.
"""


class ElsaError(Exception):
    """A fault of the input or of the machine, with its remedy.

    Args:
        message: what is wrong, naming the file or key.
        remedy: what the user can do about it.
    """

    exit_code = 2

    def __init__(self, message: str, remedy: str = "") -> None:
        self.message, self.remedy = message, remedy
        super().__init__(f"{message}\n  → {remedy}" if remedy else message)


class ConfigError(ElsaError):
    """A key, value or variant that the schema does not know."""


class DataError(ElsaError):
    """An audio file, caption or corpus that cannot be used as it is."""


class RunError(ElsaError):
    """A run that could not start, or that had to stop (non-finite loss, no disk space)."""

    exit_code = 3

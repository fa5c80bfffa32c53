"""What is wrong with measured responses: collected over a whole folder, then told at once, or left out by wish."""

from __future__ import annotations

from elsa_lightning.errors import DataError

_SHOWN = 10


class Faults:
    """Faults by file.

    Args:
        skip: leave faulty responses out instead of refusing them all.
    """

    def __init__(self, skip: bool = False) -> None:
        self.skip = skip
        self.found: list[DataError] = []

    def add(self, fault: DataError) -> None:
        """Keep a fault."""
        self.found.append(fault)

    @property
    def messages(self) -> list[str]:
        """One line a fault."""
        return [fault.message for fault in self.found]

    def check(self) -> None:
        """Raise if there is any fault and none may be left out.

        Raises:
            DataError: naming up to ten faults, with the first one's remedy.
        """
        if not self.found or self.skip:
            return
        if len(self.found) == 1:
            raise self.found[0]
        shown = "\n  ".join(self.messages[:_SHOWN])
        more = f"\n  and {len(self.found) - _SHOWN} more" if len(self.found) > _SHOWN else ""
        remedy = f"{self.found[0].remedy}; or leave faulty ones out with --skip-faulty"
        raise DataError(f"{len(self.found)} responses cannot be used:\n  {shown}{more}", remedy)

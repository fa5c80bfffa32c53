"""A check for people: faults grouped by kind, worst first."""

from __future__ import annotations

from elsa_lightning.data.trust.check import Checked
from elsa_lightning.data.trust.faults import KINDS, Fault
from elsa_lightning.data.trust.report import shortened

SHOWN = 10
"""Names of a group that are printed."""


def check_text(checked: Checked) -> str:
    """A check's report: what was opened, then each kind of fault with its count and its first names."""
    facts = checked.to_dict()
    rates = ", ".join(f"{rate} Hz × {count}" for rate, count in facts["rates"].items()) or "none opened"
    channels = ", ".join(f"{number} × {count}" for number, count in facts["channels"].items()) or "none opened"
    what = "files" if checked.root else "synthesised sounds"
    lines = [
        f"{checked.corpus}{f' in {checked.root}' if checked.root else ''}: {checked.clips} clips, {facts['sounds']} {what}, "
        f"{facts['hours']:.2f} h; rates: {rates}; channels: {channels}"
    ]
    for unusable, title in ((True, "CANNOT BE USED"), (False, "usable, with faults")):
        kinds = [kind for kind in facts["counts"] if KINDS[kind].unusable == unusable]
        lines += [title] * bool(kinds)
        for kind in kinds:
            group = [fault for fault in checked.faults if fault.kind == kind]
            lines.append(f"  {kind} ({len(group)}): {KINDS[kind].text}")
            lines += shortened([_line(fault) for fault in group], SHOWN, "    ")
    names = {fault.name for fault in checked.faults}
    lines.append(f"{checked.unusable} cannot be used, {len(names) - checked.unusable} more have faults" if names else "no faults")
    return "\n".join(lines)


def _line(fault: Fault) -> str:
    return f"{fault.name}{f' ({fault.split})' if fault.split else ''}: {fault.detail}"

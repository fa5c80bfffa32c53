"""An overlap for people: one matrix for each kind, then examples, leaks first."""

from __future__ import annotations

from elsa_lightning.data.trust.overlap import Overlap, Shared
from elsa_lightning.data.trust.overlap_parts import KINDS
from elsa_lightning.data.trust.report import shortened, table

EXAMPLES = 5
"""Of each pair."""


def overlap_text(found: Overlap) -> str:
    """The report. A matrix's diagonal says how many different ones a part has, what lies below it how many two parts share."""
    lines = [f"{number} {part.name}: {part.clips} clips" for number, part in enumerate(found.parts, 1)]
    counts = {(pair.kind, pair.second, pair.first): len(pair.keys) for pair in found.shared}
    for kind in found.kinds:
        rows = [("", *(str(number) for number in range(1, len(found.parts) + 1)))]
        for a, part in enumerate(found.parts):
            below = (counts.get((kind, a, b), 0) for b in range(a))
            rows.append((f"{a + 1} {part.name}", *below, len(part.keys[kind]), *("" for _ in range(a + 1, len(found.parts)))))
        lines += ["", f"shared {KINDS[kind]}", *table(rows)]
    for reason, (count, names) in found.left_out.items():
        lines += ["", f"not compared: {count} {reason}", *("    " + name for name in names[:EXAMPLES])]
    leaks = set(found.leaks)
    for pair in sorted(found.shared, key=lambda pair: pair not in leaks):
        lines += ["", _title(found, pair, pair in leaks), *shortened(_examples(found, pair), EXAMPLES, "    ")]
    lines.append("")
    lines.append(f"LEAK: training shares sound with validation or test in {len(leaks)} pair(s)" if leaks else "no leak from training")
    return "\n".join(lines)


def _title(found: Overlap, pair: Shared, leak: bool) -> str:
    between = f"{found.parts[pair.first].name} and {found.parts[pair.second].name}"
    return f"{'LEAK: ' if leak else ''}{between} share {len(pair.keys)} {KINDS[pair.kind]}"


def _examples(found: Overlap, pair: Shared) -> list[str]:
    a, b = found.parts[pair.first].keys[pair.kind], found.parts[pair.second].keys[pair.kind]
    return [f"{a[key][1]} (clips {a[key][0]} and {b[key][0]})" for key in pair.keys]

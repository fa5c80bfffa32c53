"""How English says a spatial word: the patterns that `mentions` looks for. Data only.

A pattern's first group, where it has one, is the word itself; the rest is the context that makes it spatial ("small" needs a room, a bare
"up" needs company). Written from English usage and from the wordings of `captions.wordings`; every one of those is found (tests/captions).
"""

from __future__ import annotations

from elsa_lightning.captions.attributes import DAMPENED, REVERBERANT

LISTENER = (
    r"(?:you|us|me|your (?:head|ears?)|(?:the |a )?(?:listener|hearer|observer|microphone|mic|recorder|recordist)s?(?:'s? (?:head|ears?))?)"
)
"""Whom a place is relative to."""

ROOM = (
    r"(?:(?:bath|bed|class|living-?|ball|show)?rooms?|space|hall|chamber|interior|enclosure|studio|venue|environment|setting|area|place|"
    r"kitchen|gym|gymnasium|hallway|corridor|office|church|cathedral|barn|garage|theat(?:re|er)|auditorium|arena|warehouse|restaurant|"
    r"cell|booth|closet|location|surroundings)(?! (?:bell|timer|fan|clock|owl|rug|door|choir|organ|chair|sink|appliance|phone|printer|"
    r"heater|band)s?\b)"
)
"""Nouns whose adjectives speak of the room."""

ADJECTIVE = (
    r"(?:[a-z]+(?:-[a-z]+)*(?:ly|ed|ing|ant|ent|al|ous|ive|ic|ish|less|ful|like|free|y)|dead|dry|dull|empty|open|live|bare|dark|high|large|"
    r"big|small|little|tiny|huge|vast|compact|medium|and|but|yet|very|quite|rather|concert|church|stone|school|lecture)"
)
"""What may stand between an adjective and its room, told by its ending: no noun, no preposition."""

_BETWEEN = rf"(?:,? {ADJECTIVE}){{0,5}},? "
_IS = (
    r"(?:'s size| size|'s)?,?(?: that| which| it| here)? (?:is|are|isn't|aren't|was|were|being|feels|seems|sounds|sounding)"
    r"(?: neither| not| only| both)?"
)
_SIZE = {
    "small": r"small(?:er|ish)?|little|tiny|compact|cramped|confined|miniature|co[sz]y|snug|narrow|petite",
    "medium-sized": r"(?:medium|mid|middle|average|normal|modest|moderate)(?:ly)?(?:[- ](?:sized?|large|big|spacious))?",
    "large": r"large(?:r|ish)?|big|spacious|huge|vast|massive|enormous|immense|roomy|expansive|cavernous|sizea?ble|grand|wide|gigantic|"
    r"giant",
}
_DEAD = (
    r"damp(?:en)?ed|dampening|dry(?! (?:area|place|location))|dead(?:-sounding)?|deaden(?:ed|ing)|muffled|muted|absorbent|absorbing|"
    r"soft-walled|padded"
)
_ECHO = r"(?:echo(?:es|ing|ey|y)?|reverb(?:s|y|erations?|erance|erant)?|resonances?)"
_BY = r"(?:by|in|within|inside|into)"
_AND_ON = r"and (?:to|on|at|in|near|far|close|away|off|behind|ahead|left|right|from|nearby)"
_COMPANY = (
    r"(?:\b(?:and|from|high|low|way|somewhere|is|are|sounds?|sounding|heard|audible|coming|located|positioned|placed|situated|captured|"
    r"listen|happens|near|nearby|far|away|off|distance|left|right|front|back|behind|rear|listener|reach|hand|by)|[,;:.]|^) ?"
)
"""What makes a bare "up" or "down" a place."""
_CLOSED = r"(?=[,.;:!]|$| and\b| in (?:a|the|front)\b| inside\b)"


def _size(word: str) -> tuple[str, ...]:
    adjective = _SIZE[word]
    return (
        rf"\b({adjective})(?:[- ]sized?|-scale)?{_BETWEEN}{ROOM}\b",
        rf"\b{ROOM}{_IS}(?:,? {ADJECTIVE}){{0,4}},? ({adjective})(?:-sized?)?\b",
        rf"\b(?:of|with)(?: a| an)?(?: rather| quite| fairly| very)? ({adjective})(?:-sized?)? (?:size|dimensions|proportions|"
        rf"floor area)\b",
        rf"\b({adjective}) in size\b",
    )


def _side(word: str) -> tuple[str, ...]:
    return (
        rf"\b(?:the|your|my|our|one's|listener's)(?: (?:far|near|extreme|upper|lower|immediate|very|front|back|rear|same))*[ -]({word})\b",
        rf"\b({word})[- ]?hand\b|\b({word})wards?\b|\b({word}) (?:side|flank|channel|ear)\b",
        rf"\b({word}) of (?:the )?(?:{LISTENER}|cent(?:re|er)|middle)",
        rf"\b(?:to|from|off|towards?|at|hard|stage|slightly|upper|lower|front|back|rear|far|located|positioned|placed|situated|panned)[ -]"
        rf"({word})(?=[,.;:!]|$| and\b| or\b| to\b| in\b| at\b| of\b)",
        rf"(?:^|[,;:.] )(?:and )?({word})(?=[,;.:!]|$| and (?:near|far|close|up|down|above|below|in)\b| in (?:a|the)\b)",
        rf"\b(?:near|nearby|close|far|away|above|below|up|down|overhead|behind|front|ahead|back)(?: and| or|,)(?: to the)? ({word})\b",
        rf"\b({word}) and (?:near|nearby|close|far|above|below|up|down|overhead|behind|front|ahead|back)\b",
    )


PATTERNS: dict[tuple[str, str], tuple[str, ...]] = {
    ("distance", "near"): (
        r"\bnear(?:by|er|est)?\b",
        r"\b(?:from |up )?close[- ](?:by|up|at|in front|behind|above|below|beside|beneath|range|proximity|distance|quarters|to|on|"
        r"and (?:to|on|in|from|at|up|down|left|right|above|below|behind|ahead|over))\b",
        r"(?:\b(?:very|quite|so|rather|fairly|really|up|from|is|are|sounds?|sounding|being|relatively|heard|somewhere|feels?|and|left|"
        r"right|front|behind|above|below|ahead)|[,;:.]|^) (close)(?=[,.;:!]|$| and\b)|^(close),",
        r"\b(?:a|the) (close)(?:,|-sounding|(?! (?:friend|call|conversation|harmony|harmonies|shave|race|game|look|watch|group|"
        r"encounter))) ",
        r"\bproximity\b|\bvicinity\b|\bat hand\b|\b(?:arm|hand)'s[- ](?:reach|length)\b|\bwithin (?:easy |your )?reach\b",
        r"\b(?:a|some|at|from)(?: a)? (?:short|small|close|little|stone's)[- ](?:distance|way|range|throw)\b",
        rf"\b(?:next to|beside|alongside|by|adjacent to) (?:{LISTENER}|your side|the listener's side)\b|\bat your side\b",
        r"\b(?:in|into) your ears?\b",
        rf"\b(?:centimet(?:re|er)s|inches|feet|a foot|a step|steps) (?:away|off|from {LISTENER})\b|\bclose enough to\b",
    ),
    ("distance", "far"): (
        r"\bfar(?: away| off|-off|away)?\b|\bfarther\b|\bfurther (?:away|off)\b|\bafar\b|\bdistant(?:ly)?\b|\bremote(?:ly)?\b",
        r"\b(?:in|into|from|at|through|across|over|off in)"
        r"(?: (?:the|a|some|great|considerable|long|large|quite|far|good))* distance\b",
        r"\b(?:some|great|long|good|considerable|large|fair) (?:distance|ways?) (?:away|off|from)\b|\bway off\b|\bmiles (?:away|off)\b",
    ),
    ("direction", "front"): (
        r"\b(?:in |up |out |at |from )?(?:the |your )?(?:very )?(?:front|frontal)\b",
        r"\b(?:straight |directly |dead |just |up )?ahead\b|\b(?:before|forward of) (?:you|us|me|the listener)\b",
        rf"\bfacing {LISTENER}\b",
    ),
    ("direction", "left"): _side("left"),
    ("direction", "right"): _side("right"),
    ("direction", "back"): (
        r"\b(?:from )?behind\b|\brear(?:wards?)?\b",
        r"\b(?:at|from|to|towards?|in|near|around|over) (?:the |your )?(?:very |far )?(?:back|backside)\b",
        rf"\b(?:the|your) (?:very |far )?back\b|\bback (?:of|in|end of|wall of|corner of) (?:the|a|an|this)(?: {ADJECTIVE},?)* {ROOM}\b",
        r"\bover (?:your|the listener's) shoulder\b|\bback[- ](?:side|left|right|corner|part|wall)\b|\bfar back\b",
        r"(?:^|[,;:.] )(?:and )?(back)(?=[,;.:!]|$)",
    ),
    ("elevation", "up"): (
        r"\boverhead\b|\babove\b|\baloft\b|\belevated\b|\bupwards?\b|\bskywards?\b",
        rf"\bup (?:high|above|over|there|top|behind|on|near|at|to the (?:left|right)|in (?:the (?:air|sky|trees?|rafters)|front|a tree)|"
        rf"{_AND_ON})\b",
        rf"{_COMPANY}(up){_CLOSED}(?! and down)|\bup(?=,)",
        r"\bupper (?:left|right|part|area|corner|side|reaches)\b|\bfrom (?:the|a)(?: \w+)? ceiling\b|\bfrom a (?:great )?height\b",
        r"\bover (?:your|the listener's) heads?\b|\b(?:from|at|near) the top\b|\bhigh(?:er)? (?:elevation|position|height|angle)\b",
        r"\bhigh(?:er)? (?:up|above|overhead|over|in the (?:air|sky|room|trees?|rafters)|(?:on|to) (?:the|your) (?:left|right))\b",
        r"(?:[,;:.]|^|\bfrom|\band|\bis|\bup|\bon) (high)(?=[,.;:!]|$| and (?:to|on|near|far|close|behind)\b)",
    ),
    ("elevation", "down"): (
        r"\bbelow\b|\bbeneath\b|\bunderneath\b|\bunderfoot\b|\bdownwards?\b|\bfrom(?: down)? low\b|\b(?:floor|ground) level\b",
        rf"\bdown (?:low|below|there|under|beneath|behind|on|near|at|in front|to the (?:left|right)|by (?:your feet|the floor)|"
        rf"{_AND_ON})\b",
        rf"{_COMPANY}(down){_CLOSED}|\bdown(?=,)",
        r"\blow(?:er)? (?:down|(?:on|to) (?:the|your) (?:left|right|ground|floor)|left|right|part|corner|side|elevation|position|height|"
        r"angle)\b",
        r"\b(?:is|sits|positioned|located|situated|placed) low\b|\b(?:at|near|by) (?:your|the listener's) feet\b",
    ),
    ("area", "small"): _size("small"),
    ("area", "medium-sized"): _size("medium-sized"),
    ("area", "large"): _size("large"),
    ("reverberation", DAMPENED): (
        r"\bacoustic(?:al|ally)?[- ](?:damp(?:en)?ed|dry|dead|deadened|absorbent|absorbing|muffled|muted|treated|dull|soft)\b",
        rf"\b(?:{_DEAD}){_BETWEEN}(?:{ROOM}|acoustics?|ambience)\b",
        rf"\b(?:{ROOM}|acoustics?|ambience)(?: (?:of|in) the {ROOM})?{_IS}(?:,? {ADJECTIVE}){{0,4}},? ({_DEAD})\b",
        r"\b(?:sound|noise|echo)[- ](?:absorb(?:ing|ent)|damp(?:en)?(?:ed|ing)|deaden(?:ed|ing)|proof(?:ed)?|insulated)\b|"
        r"\bsoundproof(?:ed)?\b",
        r"\banechoic\b|\becholess\b|\b(?:echo|reverb|reverberation)[- ]free\b",
        rf"\b(?:no|without|hardly any|barely any|almost no|scarcely any|little|minimal|low|lacking|lacks?|free (?:of|from)|devoid of|"
        rf"absence of|lack of|not much|nothing|short|never an?)(?: (?:any|much|to no|audible|noticeable|or|real|hint of|trace of|of))* "
        rf"(?:{_ECHO}|rings on)\b",
        r"\b(?:doesn't|does not|don't|do not|hardly|barely|scarcely|never) (?:echo(?:es)?|reverberates?|resonates?)\b",
        rf"\b(?:damp(?:en)?ed|deadened|absorbed|muffled|muted|swallowed) {_BY} (?:the|a|an|its|this)(?: [\w'-]+){{0,4}} "
        rf"(?:walls?|surfaces|{ROOM})\b",
        rf"\bwhere (?:the |every )?sounds? (?:is|are) (?:{_DEAD})\b",
        rf"\b{ROOM} (?:that|which) (?:dampens|deadens|absorbs|muffles|swallows)\b",
    ),
    ("reverberation", REVERBERANT): (
        rf"\b{_ECHO}\b|\bechoed\b|\breverberat(?:es?|ed|ing|ive)\b",
        rf"\bresonant{_BETWEEN}(?:{ROOM}|acoustics?)\b|\b{ROOM}{_IS}(?:,? {ADJECTIVE}){{0,4}},? resonant\b|\bacoustically live\b|"
        rf"\blive acoustics\b",
        r"\bresonat(?:es?|ed|ing) (?:in|through|throughout|across|within|inside|around|off)\b|\b(?:every|each) sound rings on\b|"
        r"\blong decay\b",
    ),
}
"""(attribute, word) → its patterns."""

WEAK: dict[tuple[str, str], tuple[str, ...]] = {
    ("distance", "far"): (r"\b(far)[- ](?:left|right|end|corner|side)\b",),
    ("reverberation", REVERBERANT): (
        r"\bresonat(?:es?|ed|ing)\b|\brings? on\b|\bringing on\b|\blinger(?:s|ing)\b|\bbounc(?:es?|ing) off the walls\b",
    ),
    ("elevation", "down"): (r"\bfrom the (?:floor|ground)\b",),
}
"""Patterns that will do where the word was asked for, and that add nothing where it was not. They outrank `PATTERNS` of the same words."""

IMPLIED: dict[tuple[str, str], tuple[str, ...]] = {
    ("area", "small"): (r"\bclosets?\b", r"\bcupboards?\b", r"\bbooths?\b"),
    ("area", "large"): (r"\bcathedrals?\b", r"\bauditoriums?\b", r"\barenas?\b", r"\bstadiums?\b", r"\bwarehouses?\b", r"\bhangars?\b"),
}
"""Nouns that say a word nobody asked for, and that do not stand for it where somebody did."""

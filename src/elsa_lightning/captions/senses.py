"""Senses of the lexicon's words that are not spatial, and what denies a spatial word. Data only.

`SENSES_IGNORED` are cut out of a text before anything is looked for in it; where one has a group, only that group is cut.
"""

from __future__ import annotations

from elsa_lightning.captions.lexicon import ADJECTIVE, LISTENER, ROOM

_THINGS = r"(?:noise|din|sounds?|music|roar|rest|others|hum|chatter|clamou?r|murmur|crowd|voices?|engine|traffic|wind|rain)"
_RISE = (
    r"pick|back|speed|sped|rev|start|warm|wak|woke|turn|open|build|built|get|got|com[ei]|came|driv|drove|pull|walk|go(?:es|ing)?|went|"
    r"stand|"
    r"stood|hang|hung|zip|crumpl|ramp|set|pop|show|end|giv|gave|mak|made|clean|blow|blew|break|broke|catch|caught|fir|fill|tun|roll|lin|"
    r"sit|"
    r"sat|run|ran|sneak|creep|spe[ae]k|spoke|perk|light|lit|clear|cough|chop|cut|wind|tear|tore|split|us|keep|kept|rip|hurr|cheer|mov|"
    r"climb|"
    r"look|fold|throw|threw|whip|mix|pil|stack|wash|dry|dri|eat|beat|button|rid|rode|pump|tighten|jump|power|lift|rais|sweep|crank|boot|fir"
)
_FALL = (
    r"pour|fall|fell|drip|rain|flow|slow|calm|wind|di[ei]|break|broke|shut|turn|boil|cool|drop|splash|slid|step|climb|knock|cut|clos|quiet|"
    r"settl|tumbl|crash|trickl|walk|driv|beat|bear|power|gear|com[ei]|came|go(?:es|ing)?|went|sit|sat|lie|lay|lying|put|set|run|ran|pull|"
    r"pour|rush|stream|roll|sprinkl|shower|pound|hammer|hos|track|back|let|hand|look|writ|jot|not|scal|chop|tear|tore|strip|press|push"
)

SENSES_IGNORED: tuple[str, ...] = (
    # right and left that are not sides
    r"(?<!the )(?<!your )(?<!our )(?<!my )(?<!'s )\b(right) (?:away|now|after|before|as|up|next|behind|in front|there|here|beside|above|"
    r"below|at|"
    r"on top|outside|by|near|ahead|into|through|then|past|beneath|under|over|along|about|when|until|off|overhead|underneath|back|"
    r"on (?:cue|time))",
    r"\b(?:that's|that is|all|it's|just|sounds) (right)\b|\b(right) (?:angles?|time|moment|note|notes|key|keys|tone|amount|way|thing)\b",
    r"\bturn(?:s|ed|ing)?(?: to the| to) (?:left|right)\b|\b(?:turn|veer|swerv|steer)(?:s|e|es|ed|ing)? (left|right)\b",
    r"\b(?:what|who|is|are|was|were|been|being|has|have|had|nothing|little|anything|time|he|she|they|it|get|gets|got) (left)\b(?! of|-)",
    r"\bwhat(?:'s| is| was| remains) left\b|\bleft (?:alone|over|open|running|unattended|ajar|behind)\b|\bleav\w+ behind\b",
    # near, close
    r"\bnear[- ](?:constant|silence|silent|miss|perfect|identical|total|complete|continuous|the end|the start)\b",
    r"\bclose (?:call|friend|harmony|conversation|together|their|his|her|its|them|it)\b|\b(?:open|opens|opening) and clos(?:e|es|ing)\b",
    r"\b(?:to|can|will|must|they|and|doors?|windows?|gates?|lids?|drawers?|curtains?) close (?:the|a|an|it)\b|\bclose (?:the|a|an)\b",
    # far
    r"\b(far) (?:more|less|too|better|worse|fewer|greater|louder|quieter|softer|cry|and wide)\b|\b(?:so|thus|by|as) (far)\b",
    rf"\b(far) from (?!{LISTENER}|the (?:left|right|front|back)|(?:above|below|behind)|here|where)|\bremote[- ]control(?:led|s)?\b",
    # front, ahead
    r"\bfront (?:doors?|yards?|porch|desk|gates?|wheels?|seats?|pages?|row|lines?|loader|lawn|teeth|windows?|tires?|tyres?|legs?|paws?|"
    r"end)\b",
    rf"\bin front of (?!{LISTENER}|your|(?:the|a|an|this)(?: {ADJECTIVE},?)* {ROOM}\b)",
    rf"\bgo(?:es|ing)? ahead\b|\bahead of (?!{LISTENER}\b)",
    # back, behind
    r"\bback[- ](?:and forth|to back|doors?|yards?|porch|seats?|alleys?|rows?|gates?|wheels?|turned|again)\b|\brear (?:doors?|wheels?|"
    r"windows?|engine)\b",
    rf"\bbehind (?!{LISTENER}\b|the (?:left|right))(?:it|them|him|her|(?:a|an|the|his|her|their|its|some|closed|another|that|this)\b"
    rf"(?! (?:{ADJECTIVE} )*{ROOM}))",
    r"\b(?:stay|trail|fall|lag)(?:s|ed|ing)? behind\b|\b(?:his|her|their|its|on the) back\b",
    # up, down
    r"\bup[- ]and[- ]down\b|\bupside down\b|\bups and downs\b",
    rf"\b(?:{_RISE})[a-z]*(?: (?:it|them|him|her|the \w+))? (up)\b(?! (?:high|above|there))",
    rf"\b(?:{_FALL})[a-z]*(?: (?:it|them|him|her|the \w+))? (down)\b(?! (?:low|below|there))",
    r"\bdown (?:the|a) (?:street|road|hall|hallway|stairs|stairway|drain|tracks?|block|line|hill|river|path|corridor|aisle|highway)\b",
    rf"\babove (?:all|average)\b|\b(?:above|over|below|beneath) (?:(?:the|a|an|all|its|this|that)(?: [\w-]+){{0,2}} )?{_THINGS}\b",
    r"\boverhead (?:projector|fan|speakers?|announcement|lights?|compartments?|bins?|crane)\b|\bbelow (?:zero|freezing|average)\b",
)
"""Senses of the same words that say nothing about the listener."""

NEGATION = (
    r"(?:\b(?:not|never|neither|nor|no|no longer|rather than|instead of|nowhere|without being|hardly|barely|scarcely|anything but|"
    r"far from)\b|n't\b"
    r"|\bnon-)(?! (?:only|just|merely))[ -]*(?:(?:very|too|so|that|quite|really|particularly|at all|coming|heard|located|positioned|placed|"
    r"situated|audible|sounding|sound|from|in|on|at|to|a|an|the|exactly|all|being|directly|actually|it|is|your)[ -]+)*$"
)
"""Text before a word that turns it into its denial; it ends where the word begins."""

SCOPE = r"[.,;:!?]|\bbut\b"
"""What ends the reach of a negation."""

RELATIONS = r"\b(?:near|close to|close|above|below|beneath|underneath|behind|next to|beside)$"
"""Words that may relate a sound to a thing instead of to the listener."""

"""Words that carry no content, words of what sounds do, adjectives of captions: in dictionary forms. Data only."""

from __future__ import annotations


def _set(table: str) -> frozenset[str]:
    return frozenset(table.split())


DETERMINERS = _set(
    """
    a an the this that these those some any another each every his her their its my your our one two three four five six seven eight nine
    ten several many few multiple various both all more other others different same no
    """
)

PREPOSITIONS = _set(
    """
    of on in at to from into onto by over under through across against along around during near behind beside between above below beneath
    for off out inside outside within without toward towards past up down after before until about like upon amid among amidst throughout
    via per than alongside
    """
)

AUXILIARIES = _set(
    """
    is are was were be been being am has have had having do does did doing can could will would may might must shall should get gets getting
    got isn aren wasn weren don doesn didn
    """
)

JOINERS = _set("and or but while as when whilst then followed plus because so if where which who whose what that")

COMPANIONS = _set("with accompanied")
"""Prepositions after which a caption often goes on with another sound: "with birds chirping"."""

EMPTY_WORDS = _set(
    """
    i you he she it we they them him us me himself herself itself themselves who whom there here someone somebody something anyone everyone
    thing things sound sounds sounding sounded noise noises audio recording hear heard hears hearing audible listen listening come comes
    coming came go goes going gone begin begins beginning began start starts starting started continue continues continuing continued stop
    stops occur occurs occurring happen happens again also just very quite rather too still only even now once twice often sometimes
    repeatedly eventually suddenly away back forth not yet together source scene background foreground distance near far nearby distant kind
    sort type bit lot time times while moment make makes making made take takes taking give gives giving gave followed following
    """
)
"""Words whose loss is no loss."""

VERBS = _set(
    """
    accelerate answer applaud approach babble bang bark beat beep bellow blare blast bleat blend blow boil boom bounce break breathe bubble
    burble burn burp burst buzz call caw chant chat chatter cheer chime chirp chop chuckle clack clang clank clap clash clatter click clink
    clip cluck coo cook cough crack crackle crash creak croak crow crumple crunch cry cut deliver discuss drag drill drip drive drop echo
    explode fade fall fire fizz flap flow flush fly fry gallop gargle gasp giggle glug gobble grind groan growl grunt gurgle hammer hiss hit
    hoot honk hover howl hum idle jingle jump knock land laugh leave meow moan moo move mumble murmur narrate neigh oink open operate pass
    patter peal peck peep play plop pop pound pour preach purr quack race rain ratchet rattle resonate rev ring rip roar roll rub rumble run
    rush rustle sand saw say scrape scratch scream screech sew shatter shout shriek shuffle shut sing sip sizzle skid slam slap slide slosh
    slurp smash snap snarl sneeze sniff snore snort sob speak speed spin splash splatter spray sputter squawk squeak squeal stomp stop
    strike strum stutter swing swish talk tap tear thud thump thunder tick toll toot trickle trot tweet twitter type vibrate wail walk
    warble wash wave whimper whine whir whisper whistle whoosh woof work yap yell yelp yowl zip hang turn pull rise increase decrease close
    ride slow vocalize respond commentate flutter whirl gust rap yip rasp mew chug tinkle twang wheeze clop sit stand drum chew eat drink
    enter exit converse communicate conduct perform whinny bray cackle crinkle stir scrub sweep brush polish chase tumble
    """
)
"""What sounds and their makers do."""

ADJECTIVES = _set(
    """
    loud quiet soft gentle heavy light low high deep faint steady sudden constant continuous short long brief rapid quick fast slow sharp
    shrill harsh bright dull small little tiny large big huge old young elderly adult happy sad wet dry metal metallic wooden plastic
    electric electronic mechanical repetitive rhythmic occasional single double hard strong weak noisy windy chesty upbeat
    """
)
"""Common adjectives of captions; never the noun of one."""

PLURALS = _set("people men women children geese mice cattle sheep police")
"""Plurals without an s."""

IRREGULAR: dict[str, str] = dict(
    pair.split(":")
    for pair in _set(
        """
        men:man women:woman children:child people:person persons:person geese:goos feet:foot mice:mous hooves:hoof knives:knif
        wolves:wolf calves:calf leaves:leaf teeth:tooth spoke:speak spoken:speak said:say told:tell sang:sing sung:sing rang:ring
        rung:ring ran:run drove:driv driven:driv blew:blow blown:blow flew:fli flown:fli broke:break broken:break fell:fall fallen:fall
        beat:beat beaten:beat shot:shot wept:weep went:go gone:go came:com began:begin begun:begin rode:rid rising:ris rose:ris
        tore:tear torn:tear cut:cut struck:strik hung:hang swung:swing spun:spin slid:slid shook:shak drank:drink ate:eat eaten:eat
        stood:stand sat:sit sped:speed grew:grow grown:grow threw:throw thrown:throw caught:catch held:hold burst:burst hit:hit
        gives:giv gave:giv given:giv
        """
    )
)
"""Forms that no ending explains → stems (as `content.stem` makes them of regular forms)."""

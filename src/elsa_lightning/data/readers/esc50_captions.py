"""Captions for ESC-50, which has category names only: hand-written noun phrases, at least ten a category.

They say what is heard and nothing of where: places and rooms are said by the spatial sentences.
"""

from __future__ import annotations

from elsa_lightning.seeding import rng_of

_TABLE = """\
dog: a dog barking | a barking dog | a hound's bark | a dog that barks again and again | the bark of a dog | a pet dog yapping | short
    barks of a dog | a guard dog barking at something | an excited dog woofing | canine barking | a puppy's loud woofs
rooster: a rooster crowing | a crowing cock | the crow of a rooster | a cockerel's cock-a-doodle-doo | a farmyard cock at daybreak | a
    rooster's wake-up call | a cock crowing loudly | a male chicken crowing | a rooster calling out | the shrill cry of a cockerel
pig: a pig grunting | a snorting pig | a hog's grunts | the oinking of a pig | a swine snuffling | a pig squealing and grunting | farm
    pigs at the trough | a pig rooting about | oinks and snorts of a hog | a sow grunting
cow: a cow mooing | a mooing cow | the low of a cow | cattle lowing | a long moo | a dairy cow calling | a bellowing cow | a cow's deep
    moo | a calf answered by a moo | a heifer lowing
frog: a frog croaking | croaking frogs | the croak of a frog | a ribbiting frog | a toad calling | a bullfrog's croaks | pond frogs
    calling | a chorus of frogs | an amphibian croaking | the ribbit of a frog
cat: a cat meowing | a meowing cat | a kitten's mew | the miaow of a cat | a house cat asking for food | a cat crying | a feline meow | a
    tomcat yowling | a hungry cat's meows | a cat that mews
hen: a hen clucking | a clucking chicken | chickens in a coop | the cackle of a hen | a brood hen clucking | a chicken's soft clucks |
    poultry cackling | a hen that has laid an egg | cluck-cluck of a hen | laying hens pecking and clucking
insects: insects buzzing | a buzzing fly | the drone of a bee | flies humming about | a mosquito's whine | a bumblebee buzzing | flying
    insects | the buzz of an insect's wings | a wasp buzzing | a swarm of bees
sheep: a sheep bleating | a bleating sheep | the baa of a lamb | a flock of sheep | a ewe calling her lamb | lambs bleating | a sheep's
    baa | a goat-like bleat of a sheep | baaing sheep | a ram bleating
crow: a crow cawing | a cawing crow | the caw of a raven | crows calling to one another | harsh caws of a black bird | a rook cawing | a
    raven's croak | a carrion crow's call | cawing birds | a crow's hoarse cry
rain: rain falling | falling rain | heavy rain | a downpour | raindrops pattering | a rain shower | steady rainfall | rain drumming on the
    ground | a pouring rain | the patter of rain | wet weather with rain coming down
sea_waves: sea waves | waves breaking on the shore | the ocean's surf | waves washing over a beach | rolling waves of the sea | surf
    crashing on the coast | a seashore | ocean waves coming in | the wash of the sea on sand | breakers on a beach | the sea rushing and
    drawing away
crackling_fire: a crackling fire | a fire crackling | burning logs | wood burning in a fireplace | the crackle of flames | a campfire | a
    log fire popping | flames eating dry wood | a bonfire snapping and popping | a hearth fire | twigs crackling in the flames
crickets: crickets chirping | chirping crickets | a cricket's chirp | crickets on a summer night | the song of crickets | night insects
    chirring | grasshoppers chirping | a steady chirr of crickets | cicadas and crickets | a field cricket singing
chirping_birds: birds chirping | chirping birds | birdsong | songbirds twittering | a bird singing | tweeting birds | a sparrow's chirps |
    the dawn chorus | small birds calling | a warbling songbird
water_drops: water dripping | dripping water | drops of water falling | a leaking tap | drip, drip, drip of water | water drops plopping |
    a faucet that drips | single drops hitting water | droplets falling into a basin | the plink of water drops
wind: wind blowing | blowing wind | a howling wind | gusts of wind | the whistle of the wind | a stormy wind | a strong breeze | a gale |
    wind rushing by | moaning wind
pouring_water: water being poured | pouring water | water poured into a glass | a drink being poured | liquid filling a cup | water
    glugging from a bottle | the splash of poured water | somebody pouring water | a jug emptied into a vessel | water running into a
    container
toilet_flush: a toilet flushing | a flushing toilet | the flush of a lavatory | a loo being flushed | water rushing down a toilet | a
    toilet's cistern emptying | a WC flush | a toilet bowl filling after a flush | somebody flushing the toilet | a gurgling toilet flush
thunderstorm: a thunderstorm | thunder rumbling | rolling thunder | a clap of thunder | thunder and rain | the rumble of a storm | a crack
    of thunder | a booming thunderclap | stormy weather with thunder | a lightning storm's thunder
crying_baby: a crying baby | a baby crying | an infant's wail | a newborn crying | the cries of a baby | a wailing infant | a baby in
    tears | a little child bawling | a hungry baby screaming | an unhappy baby sobbing | a toddler's crying
sneezing: a person sneezing | somebody sneezing | a sneeze | a loud achoo | the sneeze of a person with a cold | a man's sneeze | a sudden
    sneeze | a human sneezing | a violent sneeze | an allergic person sneezing
clapping: people clapping | clapping hands | applause | an audience applauding | a round of applause | hands clapping | a crowd that claps
    | handclaps | listeners giving applause | a person clapping in rhythm
breathing: a person breathing | heavy breathing | somebody breathing in and out | slow breaths | panting | a sleeper's breath | human
    breathing | a deep breath and a sigh | an out-of-breath runner | audible breathing
coughing: a person coughing | coughing | somebody with a cough | a dry cough | a fit of coughing | a man's hoarse cough | a sick person
    coughing | repeated coughs | a chesty cough | a smoker's cough
footsteps: footsteps | a person walking | steps of shoes on a floor | walking feet | somebody's footfalls | the tread of boots | a
    walker's steps | heels clicking at each step | someone pacing | feet crunching along
laughing: people laughing | laughter | a person laughing | somebody giggling | a hearty laugh | a woman's laughter | chuckling | a burst
    of laughter | a child giggling | loud ha-ha-ha of someone amused
brushing_teeth: somebody brushing their teeth | teeth being brushed | a toothbrush scrubbing | tooth brushing | a person cleaning their
    teeth | the scrub of a toothbrush | a toothbrush going to and fro | bristles against teeth | morning teeth brushing | a manual
    toothbrush in use
snoring: a person snoring | snoring | a sleeper's snore | loud snores | somebody fast asleep and snoring | a man snoring heavily | the
    rasp of a snore | deep snoring | a snorer's slow breath | a sleeping person's snorts
drinking_sipping: somebody drinking | a person sipping a drink | sips and swallows | slurping | a thirsty person gulping | a drink being
    sipped | gulps of water | someone slurping tea | drinking from a cup | swallowing a drink
door_wood_knock: a knock on a door | somebody knocking on a wooden door | knuckles rapping on wood | knocking at the door | a visitor's
    knock | rapping on a door | door knocks | a few knocks on wood | a fist banging on a door | a polite knock-knock
mouse_click: a mouse clicking | clicks of a computer mouse | mouse clicks | somebody clicking a mouse button | a double click | the click
    of a mouse | a PC mouse in use | quick clicking with a mouse | a button of a mouse pressed | computer mouse clicking
keyboard_typing: typing on a keyboard | somebody typing | a computer keyboard | keys being tapped | the clatter of a keyboard | fast
    typing | fingers on a keyboard | an office worker typing | keystrokes | a typist at work
door_wood_creaks: a creaking door | a door creaking | the creak of a wooden door | squeaky hinges | an old door opening slowly | a door
    that squeaks | rusty hinges groaning | wood creaking | a haunted-house door | the groan of a door
can_opening: a can being opened | a drinks can opening | the hiss of an opened can | a soda can cracked open | a tab pulled on a can | a
    beer can opened | psst of a fizzy drink | a tin popped open | somebody opening a can | a ring pull snapping
washing_machine: a washing machine | a washing machine running | laundry being washed | the drum of a washing machine turning | a spin
    cycle | a washer at work | clothes tumbling in a machine | a laundry machine's hum | a washing machine sloshing | a household washer
    spinning
vacuum_cleaner: a vacuum cleaner | a vacuum cleaner running | somebody vacuuming | a hoover | the roar of a vacuum cleaner | a carpet
    being vacuumed | vacuuming | a hoovering person | the whine of a vacuum's motor | housework with a vacuum cleaner
clock_alarm: an alarm clock | an alarm clock beeping | a ringing alarm clock | a wake-up alarm | the beep-beep of a clock | a digital
    alarm going off | a bedside alarm | an alarm clock's buzzer | a clock alarm sounding | a morning alarm
clock_tick: a ticking clock | a clock ticking | the tick-tock of a clock | a wall clock's ticks | a watch ticking | steady ticking | a
    pendulum clock | the seconds ticking by | a grandfather clock ticking | a timepiece at work | the tick of a second hand
glass_breaking: glass breaking | breaking glass | a glass shattering | a window smashed | shards of glass falling | a bottle smashed to
    pieces | the crash of glass | shattering glass | a dropped glass breaking | a pane bursting
helicopter: a helicopter | a flying helicopter | helicopter blades | the whirr of a rotor | a chopper passing | a hovering helicopter |
    rotor blades beating the air | the chop-chop of a helicopter | a helicopter in flight | a rotorcraft | a thudding helicopter
chainsaw: a chainsaw | a chainsaw running | a chainsaw cutting wood | the roar of a chainsaw | a lumberjack's saw | a motor saw at work |
    a power saw felling a tree | a petrol saw revving | sawing with a chainsaw | a buzzing chain saw | a whining chainsaw engine
siren: a siren | a wailing siren | a police siren | an ambulance siren | an emergency vehicle | a fire engine's siren | the wail of a
    siren | a howling siren | a siren rising and falling | a rescue vehicle's alarm
car_horn: a car horn | a honking car | a car honking | the honk of a horn | a driver sounding the horn | beeping cars | a horn blown in
    traffic | an angry driver's horn | a vehicle's horn | a toot of a car horn
engine: an engine running | an idling engine | a car's engine | a motor running | the rumble of an engine | a revving motor | an engine
    turning over | a truck's diesel engine | a vehicle idling | a chugging engine
train: a train | a passing train | a train on its rails | the clatter of a train | railway wagons rolling | a locomotive | a freight train
    | a train rumbling past | carriages clacking over rail joints | a railroad train
church_bells: church bells | ringing church bells | bells of a church | the peal of bells | tolling bells | a bell tower | a chiming
    church bell | Sunday bells | bells calling people to church | a carillon of bells
airplane: an airplane | a flying airplane | an aeroplane passing | the roar of a jet | a plane taking off | a propeller plane | an
    aircraft in flight | a jet engine | an airliner | a droning aircraft
fireworks: fireworks | exploding fireworks | the bang of fireworks | rockets bursting | firecrackers | New Year's fireworks | pops and
    bangs of fireworks | a firework display | whistling rockets and bangs | pyrotechnics
hand_saw: a hand saw | sawing wood by hand | a saw cutting wood | the rasp of a hand saw | a carpenter sawing | somebody sawing a plank |
    a saw going back and forth | a board being sawn | manual sawing | teeth of a saw in timber
"""


def _parse(table: str) -> dict[str, tuple[str, ...]]:
    """Lines "category: caption | caption", long ones continued on indented lines."""
    lines = table.replace("\n    ", " ").splitlines()
    return {category: tuple(part.strip() for part in text.split("|")) for category, _, text in (line.partition(":") for line in lines)}


CAPTIONS: dict[str, tuple[str, ...]] = _parse(_TABLE)
"""Category → its captions."""


def captions_for(category: str, filename: str, count: int = 5) -> tuple[str, ...]:
    """`count` different captions of the category, chosen by a hash of the file's name.

    A category that the table does not know (a corpus in ESC-50's layout with its own classes) is described by its own words.
    """
    words = category.replace("_", " ")
    known = CAPTIONS.get(category) or (
        f"{words}",
        f"the sound of {words}",
        f"a recording of {words}",
        f"{words} being heard",
        f"{words}, clearly audible",
    )
    order = rng_of("esc50 captions", filename).permutation(len(known))
    return tuple(known[i] for i in order[:count])

"""Words that may stand for each other in a rewrite, makers of sounds, and what lets a listener infer them. Data only."""

from __future__ import annotations

_SYNONYMS = """
dog hound canine puppy pup doggy mutt | cat kitten feline kitty tomcat | cat meow | bird songbird birdsong birdcall sparrow | bird chirp |
chicken hen poultry | rooster cockerel cock | cow cattle calf bull heifer | pig hog swine sow piglet | sheep lamb ewe | goat kid | horse
pony stallion mare | horse hoof hooves | duck mallard drake | frog toad bullfrog | bee bumblebee insect | fly insect | cricket insect
cicada grasshopper | mosquito insect | man male guy gentleman fellow | woman female lady | man speaker narrator | woman speaker narrator |
person people individual human someone somebody | people crowd group | child kid children youngster toddler | boy child kid lad | girl
child kid | baby infant newborn toddler | audience crowd spectator | crowd throng | adult person grown-up | adult man | adult woman |
speak talk say converse chat speech voice tell discuss conversation chatter communicate address utter announce dialogue narrate | speak
deliver | speech address lecture talk | laugh laughter giggle chuckle | cry weep sob wail | shout yell scream holler | scream shriek
screech | cheer applaud applause | applause applaud clap ovation | sing song vocal | music song melody tune | instrument music | car
automobile vehicle auto | truck lorry vehicle | bus coach vehicle | van vehicle | motorcycle motorbike bike | bicycle bike cycle | train
locomotive railway | airplane plane aircraft aeroplane jet | helicopter chopper aircraft rotorcraft | boat ship vessel | ambulance vehicle
| engine motor | horn honk | siren alarm | alarm alert | bell chime | ring chime | phone telephone cellphone mobile smartphone | gun
gunshot gunfire firearm rifle pistol | shot gunshot shoot fire | fire flame blaze campfire | fire crackle | rain rainfall raindrop
rainstorm downpour shower rainwater | thunder thunderclap thunderstorm thunderbolt | thunder storm | storm thunderstorm | wind breeze gust
| wave surf | sea ocean | ocean wave | stream brook creek river | water liquid | water stream | tap faucet | toilet lavatory | footstep
step walk | walk step stride | door doorway | knock rap | hit strike beat | break shatter smash | glass pane | saw sawing | chainsaw saw |
hammer pound | clock watch | vacuum hoover | computer pc | keyboard typewriter | television tv | radio broadcast | camera shutter | mower
lawnmower | pass go move past | pass drive | drive go move travel | approach near come | run work operate go | run pour flow | run idle |
start begin | stop end cease halt | fade die diminish | beep bleep | buzz hum drone | rumble roar growl | growl snarl | bark woof yap |
whine whimper | meow mew miaow mewl | chirp tweet twitter sing cheep | quack call | bleat baa | moo low | oink grunt | croak ribbit | crow
call | caw call | hoot call | wail blare sound | blow gust howl | rustle swish | fall patter pour drum | drip trickle drop | flow run
stream | splash slosh | crash break | clink clank jingle tinkle | clatter clink rattle | tap knock | click tap | tick tock | creak squeak
groan | screech squeal | whistle blow | whir hum | accelerate speed rev | rev roar | speed race | honk hoot beep toot | fly pass hover |
loud noisy | quiet soft gentle | fast quick rapid | slow gradual | heavy strong hard | small little tiny | large big huge | old elderly |
continuous constant steady | brief short | several repeated | multiple repeated | high-pitched shrill | shrill high | shore beach coast |
road street | dish plate crockery | cutlery silverware utensil | kettle teakettle | food meal | type typing | type keyboard | wooden wood
| wood timber log | tree leaf | leaf foliage | roof rooftop | ground floor | plane fly | gallop hoof | fry sizzle | sizzle crackle | clang
clank bang | thump thud bang | bang thud knock slam | pop bang | whoosh swoosh swish | rub scrape | scrape scratch | squeak squeal |
animal livestock | gurgle bubble | vocalize call | explosion explode blast | cough hack | sneeze achoo | snore snoring
"""

SYNONYMS: tuple[tuple[str, ...], ...] = tuple(tuple(group.split()) for group in _SYNONYMS.split("|"))
"""Groups of words of which one will do for another; a word may be in several, and they do not chain."""

_SOURCES = """
dog cat bird horse cow pig sheep goat duck goose chicken hen rooster crow owl pigeon frog snake lion wolf monkey bee fly cricket
mosquito insect man woman boy girl child kid baby infant crowd car truck bus train airplane plane helicopter motorcycle boat ship
ambulance guitar piano violin drum trumpet flute organ saxophone harmonica banjo cello gun siren chainsaw thunder rain bell telephone
phone puppy kitten male female lady gentleman toddler vehicle automobile motorbike aircraft jet lamb turkey
"""

SOURCES = frozenset(_SOURCES.split())
"""Common makers of sounds: one that a rewrite names and its caption neither names nor implies was invented."""

_IMPLIED_BY = """
dog: bark woof growl yap
dog wolf: howl
cat: meow mew
bird cricket: chirp
bird: tweet twitter birdsong owl pigeon duck goose seagull sparrow parrot eagle turkey
bird crow: raven
owl bird: hoot
crow bird: caw
duck: quack
chicken hen: cluck
rooster bird: crow
cow: moo
pig: oink
sheep goat: bleat
sheep: baa
horse: neigh whinny gallop hoof
frog: croak ribbit
bee fly insect: buzz
insect: cricket bee mosquito cicada wasp
crowd: audience applause people person cheer group
car vehicle truck: traffic
car vehicle: engine motor tire tyre brake horn honk road highway race
car: van
vehicle: bus motorcycle
train: railroad railway locomotive
airplane plane aircraft: propeller
siren car vehicle: police
siren: ambulance
siren bell: alarm
bell telephone phone: ring
bell: chime toll doorbell
telephone phone: dial
phone: telephone
gun: gunshot gunfire shot shoot rifle
thunder rain: storm thunderstorm
rain: raindrop downpour
guitar: strum guitarist
drum: drummer percussion
piano: pianist
ship: boat
child man woman: family
child: class kid
child man male: boy
child woman female: girl
child baby: toddler
baby: cooing
woman female lady: mother
man male: father grandfather baritone
man woman: couple
woman female: soprano
chainsaw: saw
"""

IMPLIES: dict[str, frozenset[str]] = {}
"""Word → makers that it lets a listener infer."""

for _line in _IMPLIED_BY.strip().splitlines():
    _makers, _, _words = _line.partition(":")
    for _word in _words.split():
        IMPLIES[_word] = IMPLIES.get(_word, frozenset()) | frozenset(_makers.split())

"""Physics of sound in shoebox rooms, received in first-order ambisonics (ACN order W, Y, Z, X; SN3D; x front, y left, z up).

`sampling` draws rooms, `absorption` gives their walls the wanted reverberation time, `render` turns a `geometry.Scene` into impulse
responses (exact image sources, then an analytic diffuse tail), `decay` measures T30, C50 and DRR on them, `bank` stores them,
`room_source` hands them to training, `convolve` puts a sound into the room, and `sources` puts several there, still or moving;
`binaural` makes it audible with headphones. Nothing here knows a network; torch is the only dependency besides NumPy, safetensors (banks),
soxr and slab (binaural) and, as an optional second engine, pyroomacoustics.
"""

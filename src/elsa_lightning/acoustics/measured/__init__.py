"""Measured impulse responses as rooms: read from WAV or FLAC files with a table, or from SOFA files, into banks like the simulator's."""

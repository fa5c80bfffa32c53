"""Sweeps: a frozen plan of rows and seeds, run on this machine or as job arrays of SLURM. Imports no torch."""

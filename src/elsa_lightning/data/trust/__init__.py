"""Trust in each item: are the files sound (`check`), are all there (`coverage`), does training see the test (`overlap`)?

Imports no torch.
"""

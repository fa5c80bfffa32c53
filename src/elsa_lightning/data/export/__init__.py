"""A rendered corpus for other tools: `elsa data render`, its join, its tars, and its check (docs/datasets.md).

items   one spatial version of one clip as training and evaluation hear it → samples and the manifest's line
rooms   where the rooms come from: a bank, keys, or a bank simulated again
sound   samples → the bytes of a file, with one gain for all channels
job     what is exported from what; the folder's export.json, and whether it is the same export
render  the items of a shard, by worker processes, each line journalled
lines   the shards' lines → manifest.jsonl; tasks for `elsa data rewrite`
tars    the same in webdataset's layout
verify  items rendered again and compared
"""

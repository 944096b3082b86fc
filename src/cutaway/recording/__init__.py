"""Recordings: folders of JSON and safetensors that any tool can read; `docs/recording.md` tells the format.

schema.py      everything that is JSON, as frozen structs
tensors.py     safetensors: reading by byte range, writing in a known order
store.py       opening a recording, from a folder or over HTTP
writer.py      making one: whole or not at all, checkpoint after checkpoint
recorder.py    record(source, out)
summary.py     ranges, histograms, dead maps, norms
typescript.py  the viewer's types
"""

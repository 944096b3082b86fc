"""Recordings: folders of JSON and safetensors that any tool can read; `docs/recording.md` tells the format.

Reading     store.py (open, Recording) over places.py (folder, http) and tensors.py (safetensors); check.py on the index
Writing     recorder.py (record) over writer.py (whole or not at all) and lock.py (one writer at a time);
            begin.py (source, samples), amount.py (which layers, how many samples),
            activations.py (outputs, piece by piece into their file), behind.py (writing while computing)
Content     schema.py (everything that is JSON), summary.py over statistics.py, metrics.py
Viewer      typescript.py (its types, made from the schema)
"""

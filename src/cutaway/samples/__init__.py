"""Samples: the inputs that a recording shows, and what a model gets of them.

    spec ──▶ read ──▶ Given ──▶ prepare ──▶ Prepared
             (files.py)         (prepare.py)  pictures as a person sees them, arrays as the model takes them

A folder of pictures, picture files, `.npy`, `.npz`, IDX (also gzipped), or arrays. Nothing in a file runs.
"""

from __future__ import annotations

from cutaway.samples.given import Given
from cutaway.samples.options import Preprocessing, preprocessing
from cutaway.samples.pictures import Pictures, Prepared, stretched
from cutaway.samples.prepare import load_samples, prepare
from cutaway.samples.read import read_samples

__all__ = [
    "Given",
    "Pictures",
    "Prepared",
    "Preprocessing",
    "load_samples",
    "prepare",
    "preprocessing",
    "read_samples",
    "stretched",
]

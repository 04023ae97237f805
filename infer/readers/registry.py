"""The readers by the value of `--reader`; any other value names a vision-language model.

This file does not import torch: the flag is made from it, and --help has to be quick. A new reader
is called in infer/answering/run.py.
"""

OWN_READERS = {
    "none": "frames only",
    "clip": "the vectors in the index",
}
"""Readers with their text in --help. clip is in infer/readers/clip_reader.py, the models in
infer/readers/vision_language.py."""

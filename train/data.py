"""Mined frames as training data: questions split by video, and the pictures of each.

train_list, val_list = load_data(json_path, image_path, video_path, 1, ratio=0.2)
dataset = PosNegDataset(train_list, negatives_per_question=1)
loader = DataLoader(dataset, batch_size=16, collate_fn=custom_collate_fn)
for captions, pos_imgs, neg_imgs in loader: ...
"""

from collections.abc import Mapping, Sequence
from multiprocessing.sharedctypes import RawArray, RawValue
from pathlib import Path

import numpy as np
from PIL import Image
from torch.utils.data import Dataset

from index.errors import CueframeError
from infer.question_files.loading import load_questions
from train.mined_frames import read_mined_frames
from train.pictures.preparing import UNREADABLE
from train.split import Example, pictures_in, split_data

Item = tuple[str, Image.Image | None, list[Image.Image]]
"""Caption, true frame (None if none can be read), negatives; RGB pictures in full size."""


def load_data(
    json_path: str | Path,
    image_path: str | Path | None,
    video_path: str | Path,
    caption_setting: int,
    ratio: float,
    seed: int = 42,
    contents: Mapping[str, str] | None = None,
) -> tuple[list[Example], list[Example]]:
    """Read labelled questions with their mined frames, split by video; see `split_data`.

    Args:
        json_path: Questions, in any format that `infer.question_files.loading` reads.
        image_path: As for `split_data`, like all that follow.
        video_path: Folder of the videos.
        caption_setting: 1 the question, 2 its choices, 3 both.
        ratio: Fraction of the videos held out for validation.
        seed: Seed of the split.
        contents: Content hashes by question id.

    Raises:
        CueframeError: As for `load_questions` and `split_data`.
    """
    if not 0 <= ratio <= 1:
        raise CueframeError(f"--ratio is {ratio}; give the share of videos to validate on, 0 to 1")
    if not Path(json_path).is_file():
        raise CueframeError(f"{json_path} is not there; name the questions' file by --json_path")
    questions = load_questions(json_path)
    return split_data(
        questions, json_path, image_path, video_path, caption_setting, ratio, seed, contents
    )


class PosNegDataset(Dataset[Item]):
    """One true frame and some mined negatives of each question, redrawn in every epoch.

    The draws depend on (seed, epoch, index) alone, so neither the number of workers nor an
    interruption changes them. Each worker reads the pictures of its own items.

    A picture that cannot be read is replaced by the next one drawn, and recorded in `unreadable`,
    which all workers share. An item has fewer than N negatives if there are no more.
    """

    def __init__(
        self, train_list: Sequence[Example], negatives_per_question: int = 1, seed: int = 42
    ) -> None:
        if negatives_per_question < 0:
            raise CueframeError(
                f"--negatives_per_question is {negatives_per_question}; give 0 or more"
            )
        self._captions = [one["caption"] for one in train_list]
        self._true = [pictures_in(one["pos_path"]) for one in train_list]
        self._negatives = [pictures_in(one["neg_path"]) for one in train_list]
        self._wanted = negatives_per_question
        self._seed = seed
        self.files = sorted({f for group in (*self._true, *self._negatives) for f in group})
        """All pictures, by name; a picture's number is its place here."""
        self._number = {file: number for number, file in enumerate(self.files)}
        known = read_mined_frames(self.files)
        self.labelled = {file for file, frame in known.items() if frame.labelled}
        """Those that questions name themselves as negatives."""
        # In shared memory: persistent workers see the next epoch, and report unreadable files.
        self._epoch = RawValue("q", 0)
        self._unreadable = RawArray("b", len(self.files))

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the draws; call it before iterating over the loader."""
        self._epoch.value = epoch

    @property
    def unreadable(self) -> list[str]:
        """The pictures met so far, by any worker, that cannot be read; in order of name."""
        return [file for file, number in self._number.items() if self._unreadable[number]]

    def drawn(self, index: int) -> tuple[list[str], list[str]]:
        """Return a question's files of true frames and negatives, in the order drawn this epoch.

        The question's own `negative_frames` come first.
        """
        rng = np.random.default_rng([self._seed, self._epoch.value, index])
        true, negatives = self._true[index], self._negatives[index]
        others = [negatives[place] for place in rng.permutation(len(negatives))]
        return (
            [true[place] for place in rng.permutation(len(true))],
            sorted(others, key=lambda file: file not in self.labelled),
        )

    @property
    def true_files(self) -> list[str]:
        """The true frames of all questions, by name."""
        return sorted({file for group in self._true for file in group})

    def number(self, file: str) -> int:
        """Return the place of a picture in `files`."""
        return self._number[file]

    def pictures(self, index: int) -> tuple[list[int], list[int]]:
        """Return the numbers of all a question's pictures: of true frames, and of negatives."""
        both = self._true[index], self._negatives[index]
        true, negatives = ([self._number[file] for file in own] for own in both)
        return true, negatives

    def __len__(self) -> int:
        return len(self._captions)

    def __getitem__(self, index: int) -> Item:
        true, negatives = self.drawn(index)
        first = self._read(true, 1)
        return (
            self._captions[index],
            first[0] if first else None,
            self._read(negatives, self._wanted),
        )

    def _read(self, files: list[str], count: int) -> list[Image.Image]:
        """Read the first `count` of the files that can be read."""
        images: list[Image.Image] = []
        for file in files:
            if len(images) == count:
                break
            try:
                with Image.open(file) as image:
                    images.append(image.convert("RGB"))
            except UNREADABLE:
                self._unreadable[self._number[file]] = True
        return images


def custom_collate_fn(
    batch: Sequence[Item],
) -> tuple[list[str], list[Image.Image | None], list[list[Image.Image]]]:
    """Gather items as lists: captions, true frames, and each question's negatives."""
    return [one[0] for one in batch], [one[1] for one in batch], [one[2] for one in batch]

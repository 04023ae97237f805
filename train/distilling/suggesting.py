"""Write the texts of questions that are worth translating, as train/distill.py --suggest does."""

from collections.abc import Sequence

from accelerate import PartialState

from index.arrays import Floats
from index.messages import json_line, say
from index.models.encoder import ready_encoder
from index.models.student import load_student
from train.distilling.config import DistillConfig
from train.distilling.encoding import read_by, student_vectors
from train.distilling.suggest import refuse_filled_in, suggest


def suggest_texts(config: DistillConfig) -> int:
    """Write the table; what it covers goes to stderr, and a JSON object to stdout. Returns 0.

    Raises:
        CueframeError: Unusable questions or student, or a file that must not be written over.
    """
    assert config.suggest
    assert config.questions
    refuse_filled_in(config.output)
    student = load_student(config.student, pooling=config.pooling, prompt=config.prompt)
    ready_encoder(student, dtype="float32", device=PartialState().device)

    def vectors_of(texts: Sequence[str]) -> Floats:
        return student_vectors(student, read_by(student, texts))

    found = suggest([config.questions], config.suggest, config.output, vectors_of)
    cover = float(found.cover[-1])
    say(
        f"{len(found.texts)} of {found.total} texts are in {config.output}; fill in their "
        f"translations, and give it as --pairs (a text's nearest of them has a cosine of "
        f"{cover:.3f} in the mean)"
    )
    result = {"texts": len(found.texts), "of": found.total, "cover": round(cover, 6)}
    print(json_line(result | {"output_path": str(config.output)}))
    return 0

"""Put sentences that tell nothing around questions, so that an encoder cannot read them at once.

    python examples/long_questions.py demo/scenes/test/test.json demo/long.json
    python infer/compare.py demo/long.json --index demo/video_index
    python infer/compare.py demo/long.json --index demo/video_index --long-text truncate

A question has five sentences before it and five after, in its language, drawn anew for each.
"""

import json
import random
from dataclasses import dataclass
from pathlib import Path

import tyro

from index.errors import CueframeError
from index.run_command import run

SENTENCES = {
    "en": (
        "Please watch the whole clip with great care before you give an answer.",
        "Take as much time as you need and do not hurry.",
        "Many people have looked at it before you, and all of them enjoyed it.",
        "It was late in the afternoon when somebody began to record.",
        "Nobody knows who owned the equipment or why it was left there.",
        "Some minutes later the battery ran out and the recording ended.",
        "There are no tricks in this task, only patience is needed.",
    ),
    "vi": (
        "Hãy xem thật kỹ toàn bộ đoạn phim trước khi trả lời câu hỏi này.",
        "Bạn có thể xem lại nhiều lần nếu thấy cần thiết, không cần vội vàng.",
        "Đoạn phim được quay vào một buổi chiều yên tĩnh ở ngoại ô thành phố.",
        "Không ai biết chiếc máy quay là của ai và vì sao nó bị bỏ lại ở đó.",
        "Vài phút sau thì hết pin và đoạn ghi hình kết thúc.",
        "Xin cảm ơn bạn đã dành thời gian giúp chúng tôi.",
    ),
}


def lengthened(question: str, name: str, language: str) -> str:
    """Return a question among ten sentences, the same for the same name."""
    rng = random.Random(name)  # noqa: S311  (sentences, not secrets)
    before, after = (rng.sample(SENTENCES[language], 5) for _ in range(2))
    return " ".join([*before, question, *after])


@dataclass(kw_only=True, slots=True)
class LongQuestionsConfig:
    """Flags of examples/long_questions.py."""

    questions: tyro.conf.Positional[Path]
    """File of questions that examples/scenes.py wrote."""
    output: tyro.conf.Positional[Path]
    """File to write."""


def long_questions(config: LongQuestionsConfig) -> int:
    """Write the long questions; returns 0."""
    try:
        content = json.loads(config.questions.read_text(encoding="utf-8"))
        for record in content["data"]:
            language = "vi" if "-vi-" in record["id"] else "en"
            record["question"] = lengthened(record["question"], record["id"], language)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CueframeError(
            f"{config.questions} holds no questions of examples/scenes.py ({error}); draw some"
        ) from error
    text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
    config.output.write_text(text, encoding="utf-8")
    print(f"wrote {len(content['data'])} long questions to {config.output}")
    return 0


if __name__ == "__main__":
    run(long_questions, LongQuestionsConfig, __doc__)

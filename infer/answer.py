"""Answer questions from an index: with frames and, if a reader is named, with a choice.

Usage: python infer/answer.py QUESTIONS --index video_index
       python infer/answer.py QUESTIONS --reader clip
       accelerate launch infer/answer.py QUESTIONS --reader Qwen/Qwen2.5-VL-3B-Instruct

QUESTIONS is a JSON file (an object with "data", or a list), JSON lines, or - for standard input.
Each question becomes one JSON line of --output, in the questions' order. The result of the run is
one JSON object on stdout. Frames are decoded only for a vision-language reader and --save-frames.
"""

import sys

try:
    from index.run_command import run
    from infer.answering.config import AnswerConfig
except ModuleNotFoundError as missing:
    print(f"error: no module {missing.name}; run pip install -e . in the checkout", file=sys.stderr)
    sys.exit(2)


def answer(config: AnswerConfig) -> int:
    """Answer a file of questions; every process runs this. Returns the exit code."""
    from infer.answering.inputs import read_inputs

    inputs = read_inputs(config)  # before torch is loaded, so that a wrong call fails at once
    from infer.answering.run import answer_questions

    return answer_questions(config, inputs)


if __name__ == "__main__":
    run(answer, AnswerConfig, __doc__)

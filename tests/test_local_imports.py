"""Imports inside functions: each is here, with its reason. All others stand at the top."""

import ast
from pathlib import Path

from tests.paths import ROOT

AFTER_FLAGS = "after the flags are read, so that --help is quick"
LANGUAGES = "it reads its model of 4 MB when it is imported, and few need a text's language"
NO_TORCH = "torch: seconds that a build with nothing to do does not need"
BEFORE_TORCH = "before torch is loaded, so that a wrong call costs no seconds"

REASONS = {
    ("index/build.py", "index.discovery"): BEFORE_TORCH,
    ("index/build.py", "index.building"): AFTER_FLAGS,
    ("index/build.py", "index.how_to_encode"): AFTER_FLAGS,
    ("index/building.py", "index.builder"): NO_TORCH,
    ("index/building.py", "index.shard"): NO_TORCH,
    ("index/distributed.py", "accelerate"): NO_TORCH,
    ("index/distributed.py", "accelerate.utils"): NO_TORCH,
    ("index/check.py", "index.checking"): AFTER_FLAGS,
    ("infer/answer.py", "infer.answering.inputs"): BEFORE_TORCH,
    ("infer/answer.py", "infer.answering.run"): AFTER_FLAGS,
    ("infer/compare.py", "infer.metrics"): BEFORE_TORCH,
    ("infer/compare.py", "infer.question_files.loading"): BEFORE_TORCH,
    ("infer/compare.py", "infer.asked_indexes"): AFTER_FLAGS,
    ("infer/compare.py", "infer.selection.rule_file"): AFTER_FLAGS,
    ("infer/compare.py", "infer.choosing"): AFTER_FLAGS,
    ("infer/compare.py", "infer.comparing"): AFTER_FLAGS,
    ("infer/doctor.py", "infer.diagnosing"): AFTER_FLAGS,
    ("infer/diagnosing.py", "infer.diagnosis.encoder_checks"): (
        "torch: seconds that a file alone does not need"
    ),
    ("infer/find.py", "infer.finding"): AFTER_FLAGS,
    ("infer/score.py", "infer.answer_file"): BEFORE_TORCH,
    ("infer/score.py", "infer.metrics"): BEFORE_TORCH,
    ("infer/score.py", "infer.questions"): BEFORE_TORCH,
    ("infer/score.py", "infer.question_files.loading"): BEFORE_TORCH,
    ("infer/score.py", "infer.picks.files"): AFTER_FLAGS,
    ("infer/score.py", "infer.picks.run"): AFTER_FLAGS,
    ("infer/score.py", "infer.scoring"): AFTER_FLAGS,
    ("train/main.py", "train.training"): AFTER_FLAGS,
    ("train/distill.py", "train.distilling.run"): AFTER_FLAGS,
    ("train/distill.py", "train.distilling.suggesting"): AFTER_FLAGS,
    ("train/mine.py", "train.mining.run"): AFTER_FLAGS,
    ("train/pseudo.py", "train.pseudo_labels.run"): AFTER_FLAGS,
    ("index/languages.py", "py3langid.langid"): LANGUAGES,
    ("train/interpolate.py", "train.interpolating.run"): AFTER_FLAGS,
    ("train/model.py", "train.lora"): "peft, an extra, for --lora-rank alone",
    ("train/model.py", "train.adapter"): "peft, an extra, for --save-adapter alone",
    ("infer/record_files/tables.py", "pyarrow"): "an extra, for Parquet files alone",
    ("infer/metrics.py", "infer.judge"): "torch: seconds that the other figures do not need",
}


def local_imports(path: Path) -> set[str]:
    found = set()
    for function in ast.walk(ast.parse(path.read_text())):
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for node in ast.walk(function):
                if isinstance(node, ast.ImportFrom):
                    found.add(node.module or ".")
                elif isinstance(node, ast.Import):
                    found |= {alias.name for alias in node.names}
    return found


def test_each_import_inside_a_function_has_its_reason() -> None:
    found = {
        (path.relative_to(ROOT).as_posix(), module)
        for floor in ("index", "infer", "train")
        for path in (ROOT / floor).rglob("*.py")
        for module in local_imports(path)
    }
    assert found == set(REASONS)

# make demo    draw videos, train on some, index others and answer questions about them
#              (LOSS=1 or LOSS=2: with another loss; PLACE=edges VIEW=tiles SEED=1: scenes whose
#              events stand at the edges, in tiles, drawn and trained by another seed)
# make test    all tests but the long forms;  make test-slow  those
# make lint    ruff, mypy, import-linter
LOSS ?= 3
PLACE ?= middle
VIEW ?= center
SEEDED = $(if $(SEED),--seed $(SEED))
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin

.PHONY: demo test test-slow lint

.venv/ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	@echo "installing about 80 packages into .venv: 2 minutes, 1.8 GB (a CUDA build of torch takes more)"
	$(BIN)/pip install --disable-pip-version-check -r requirements.lock
	$(BIN)/pip install --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

# From videos and questions to answers: mine frames, fine-tune, index, answer, compare.
# An untrained model finds all frames alike (cosines near 1), so no similarity may refuse a negative.
demo: .venv/ready
	rm -rf demo
	$(BIN)/python examples/scenes.py demo/scenes --place $(PLACE) $(SEEDED)
	$(BIN)/python examples/tiny_clip.py demo/tiny-clip --questions demo/scenes/train/train.json \
		$(SEEDED)
	$(BIN)/python train/mine.py --input_folder demo/scenes --output_folder demo/dataset \
		--model_name demo/tiny-clip --neg_sim_threshold 1.1 $(SEEDED)
	$(BIN)/accelerate launch --config_file accelerate_config.yaml train/main.py \
		--json_path demo/scenes/train/train.json --image_path demo/dataset \
		--video_path demo/scenes/train/videos --model_name demo/tiny-clip --output_path demo/trained \
		--loss_setting $(LOSS) --batch_size 64 --accumulation_steps 1 --epochs 40 --lr 1e-3 --ratio 0 \
		--view $(VIEW) $(SEEDED)
	$(BIN)/python index/build.py demo/scenes/test/videos --index demo/video_index --model demo/trained \
		--view $(VIEW)
	$(BIN)/python index/build.py demo/scenes/test/videos --index demo/untrained_index \
		--model demo/tiny-clip --view $(VIEW)
	$(BIN)/python infer/answer.py demo/scenes/test/test.json --index demo/video_index \
		--reader clip --reader-frames picked uniform support \
		--output demo/answers.jsonl --save-frames demo/frames
	$(BIN)/python infer/answer.py demo/scenes/test/test.json --index demo/untrained_index \
		--output demo/untrained.jsonl
	$(BIN)/python infer/score.py demo/answers.jsonl demo/scenes/test/test.json --judge none \
		--index demo/video_index --check-leak demo/scenes/train/train.json \
		--report demo/report.html > demo/scores.json
	$(BIN)/python infer/score.py demo/untrained.jsonl demo/scenes/test/test.json --judge none \
		--index demo/untrained_index > demo/untrained_scores.json
	$(BIN)/python infer/compare.py demo/scenes/test/test.json --index demo/video_index \
		> demo/strategies.json
	@echo
	@$(BIN)/python examples/verdict.py demo/scores.json demo/untrained_scores.json
	@echo "look at every question, its score curve and its frames: demo/report.html"

# A process of its own for each core, one thread in each: more threads only wait for each other.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n logical --dist loadfile

test: .venv/ready
	$(PYTEST) -m "not slow"

test-slow: .venv/ready
	$(PYTEST) -m slow

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

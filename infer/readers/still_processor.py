"""A vision-language model's processor for still images, whatever else is installed.

A model's own processor needs a video processor beside the image processor, and that one needs
torchvision (SmolVLM's needs num2words too). Frames are stills, so the processor is built from the
image processor, in its PIL version, and the tokenizer alone: it makes the same pixels on every
machine.
"""

from collections.abc import Sequence
from typing import Any

from PIL import Image
from transformers import (
    PROCESSOR_MAPPING,
    Idefics3Processor,
    PreTrainedConfig,
    ProcessorMixin,
)

from index.bounded import bounded
from index.errors import CueframeError
from index.models.control_words import as_plain_text, control_words
from index.models.model_loading import (
    in_one_line,
    load_image_processor,
    load_processor,
    load_tokenizer,
)

FLAG = "--reader"
"""The flag that names the model."""

_MOST_CHARACTERS = 1_000_000
"""A chat with more, besides the question, is none that a model reads."""

_UNUSED = {"video_processor", "feature_extractor"}
"""Parts that frames and text do not need; the second one is for audio."""


def load_still_processor(name: str, config: PreTrainedConfig) -> Any:
    """Load the processor of the model that `config` describes, by folder or name; it pads left.

    Raises:
        ModelError, CueframeError: It cannot be loaded, takes no images and texts, or has no chat
            template for both.
    """
    with in_one_line(name, FLAG):
        processor = _processor(name, config)
    tokenizer = getattr(processor, "tokenizer", None)
    if tokenizer is None or not hasattr(processor, "image_processor"):
        raise CueframeError(
            f"{name} has no processor of images and texts; name another model with --reader"
        )
    # The processor would add to each call what stands in the folder's tokenizer_config.json.
    tokenizer.init_kwargs = {}
    tokenizer.padding_side = "left"  # the next token is then at one position in all rows
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    # Older model folders have the template with the tokenizer alone.
    processor.chat_template = processor.chat_template or tokenizer.chat_template
    if not processor.chat_template:
        raise CueframeError(
            f"{name} has no chat template, so it was not taught to answer questions; name an "
            "instruct model with --reader"
        )
    image = getattr(processor, "image_token", None)
    with in_one_line(name, FLAG):
        places = processor.all_special_multimodal_tokens
        # 0.1 s where there are thousands.
        processor.control_words = control_words(processor.tokenizer, places)
        shown = render(processor, ["", ""], "?")
    if image and shown.count(image) != 2:
        raise _no_template(name, "it shows no images")
    with in_one_line(name, FLAG), bounded():
        plainest_input(processor, shown)
    return processor


def plainest_input(processor: Any, chat: str) -> Any:
    """Return the input of a chat about two black frames, which any model must be able to read."""
    black = Image.new("RGB", (320, 180))
    return encode(processor, [chat], [[black, black]])


def _no_template(name: str, why: str) -> CueframeError:
    return CueframeError(
        f"the chat template of {name} is not one for frames and a question ({why}); name another "
        "vision-language model with --reader"
    )


def _processor(name: str, config: PreTrainedConfig) -> Any:
    kind: Any = PROCESSOR_MAPPING.get(type(config), None)
    if kind and set(kind.get_attributes()) - _UNUSED == {"image_processor", "tokenizer"}:
        try:
            return _of_stills(kind, name)
        except AttributeError:  # MiniCPM-V's reads settings from its video processor
            pass
    return load_processor(name, FLAG)


def _of_stills(kind: type[ProcessorMixin], name: str) -> Any:
    # SmolVLM's own is Idefics3's with videos, and cannot even be made without num2words.
    base: Any = Idefics3Processor if kind.__name__ == "SmolVLMProcessor" else kind

    class OfStills(base):  # type: ignore[misc]  # its base is found at run time
        """The same without its unused parts, which its own check would require."""

        def check_argument_for_proper_class(self, argument_name: str, argument: object) -> object:
            if argument_name in _UNUSED:
                return None
            return super().check_argument_for_proper_class(argument_name, argument)

    parts: dict[str, Any] = dict.fromkeys(_UNUSED)
    parts["image_processor"] = load_image_processor(name, FLAG)
    parts["tokenizer"] = load_tokenizer(name, FLAG)
    values, _ = base.get_processor_dict(name)
    return OfStills.from_args_and_dict([parts[part] for part in base.get_attributes()], values)


def render(processor: Any, labels: Sequence[str], ask: str) -> str:
    """Render the chat up to the model's answer: each label and a frame's place, then `ask`.

    Some templates put all images first; the labels are then lines after them. Control words are
    broken up in `labels` and `ask`, so that "<image>" in a question is read as that word.

    Raises:
        CueframeError: The template fails, takes too long or too much memory, or writes too much; or
            as `as_plain_text`.
    """
    tokenizer, words = processor.tokenizer, processor.control_words
    content = []
    for number, label in enumerate(labels):
        before = "\n" if number else ""
        text = before + as_plain_text(tokenizer, words, label)
        content += [{"type": "text", "text": text}, {"type": "image"}]
    content += [{"type": "text", "text": "\n" + as_plain_text(tokenizer, words, ask)}]
    # If the template has the switch: answer at once, without thinking.
    switch = {"enable_thinking": False} if "enable_thinking" in str(processor.chat_template) else {}
    messages = [{"role": "user", "content": content}]
    name = tokenizer.name_or_path
    try:
        with bounded():
            chat: str = processor.apply_chat_template(
                messages, add_generation_prompt=True, tokenize=False, **switch
            )
    except Exception as error:  # a template is a program: one of text alone, or one that fails
        why = str(error).split("\n")[0] or type(error).__name__
        raise _no_template(name, why) from error
    if len(chat) > _MOST_CHARACTERS + len(ask):
        raise _no_template(name, f"it writes {len(chat):,} characters")
    return chat


def encode(processor: Any, chats: Sequence[str], frames: Sequence[Sequence[Image.Image]]) -> Any:
    """Turn chats and the frames of each into the model's input, a `BatchFeature` on the CPU."""
    tokenizer = processor.tokenizer
    begun = tokenizer.bos_token is not None and chats[0].startswith(tokenizer.bos_token)
    return processor(
        text=list(chats),
        images=[[frame.convert("RGB") for frame in shown] for shown in frames],
        padding=True,
        add_special_tokens=not begun,  # some templates write the BOS token themselves
        truncation=False,
        return_attention_mask=True,
        return_tensors="pt",
    )

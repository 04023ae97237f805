"""A vision-language model's processor for still images, whatever else is installed.

A model's own processor wants a video processor beside the image processor, and that one wants
torchvision (SmolVLM's wants num2words too). Frames are stills, so the processor is put together
from the image processor, in its PIL form, and the tokenizer alone: it makes the same pixels on
every machine.
"""

from collections.abc import Sequence
from typing import Any

from jinja2 import TemplateError
from PIL import Image
from transformers import (
    PROCESSOR_MAPPING,
    AutoImageProcessor,
    AutoProcessor,
    AutoTokenizer,
    Idefics3Processor,
    PreTrainedConfig,
    ProcessorMixin,
)

from index.errors import CueframeError

_UNUSED = {"video_processor", "feature_extractor"}
"""Parts that neither frames nor words pass; the second one hears."""


def load_processor(name: str, config: PreTrainedConfig) -> Any:
    """The processor of the model that `config` describes, by its folder or name; pads on the left.

    Raises:
        CueframeError: It takes no images and texts, or has no chat template for both.
        OSError, ValueError, KeyError, ImportError: It cannot be had.
    """
    processor = _processor(name, config)
    tokenizer = getattr(processor, "tokenizer", None)
    if tokenizer is None or not hasattr(processor, "image_processor"):
        raise CueframeError(
            f"{name} has no processor of images and texts; name another model with --reader"
        )
    tokenizer.padding_side = "left"  # what comes next is then at one place in all rows
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    # Older folders keep the template with the tokenizer alone.
    processor.chat_template = processor.chat_template or tokenizer.chat_template
    if not processor.chat_template:
        raise CueframeError(
            f"{name} has no chat template, so it was not taught to answer questions; name an "
            "instruct model with --reader"
        )
    image = getattr(processor, "image_token", None)
    try:
        shown = render(processor, ["", ""], "?")
        wrong = "it shows no images" if image and shown.count(image) != 2 else ""
    except (TemplateError, TypeError) as error:  # one that takes nothing but text, for one
        wrong = str(error).split("\n")[0]
    if wrong:
        raise CueframeError(
            f"the chat template of {name} is not one for frames and a question ({wrong}); name "
            "another vision-language model with --reader"
        )
    return processor


def _processor(name: str, config: PreTrainedConfig) -> Any:
    kind: Any = PROCESSOR_MAPPING.get(type(config), None)
    if kind and set(kind.get_attributes()) - _UNUSED == {"image_processor", "tokenizer"}:
        try:
            return _of_stills(kind, name)
        except AttributeError:  # MiniCPM-V's, for one, reads settings off its video processor
            pass
    return AutoProcessor.from_pretrained(name)


def _of_stills(kind: type[ProcessorMixin], name: str) -> Any:
    # SmolVLM's own is Idefics3's with videos, and cannot even be made without num2words.
    base: Any = Idefics3Processor if kind.__name__ == "SmolVLMProcessor" else kind

    class OfStills(base):  # type: ignore[misc]  # its base is found at run time
        """The same without the parts that are not used, which its own check would want."""

        def check_argument_for_proper_class(self, argument_name: str, argument: object) -> object:
            if argument_name in _UNUSED:
                return None
            return super().check_argument_for_proper_class(argument_name, argument)

    parts: dict[str, Any] = dict.fromkeys(_UNUSED)
    parts["image_processor"] = AutoImageProcessor.from_pretrained(name, backend="pil")
    parts["tokenizer"] = AutoTokenizer.from_pretrained(name)
    values, _ = base.get_processor_dict(name)
    return OfStills.from_args_and_dict([parts[part] for part in base.get_attributes()], values)


def render(processor: Any, labels: Sequence[str], ask: str) -> str:
    """The chat up to where the model's answer begins: each label and a frame's place, then ask.

    Some templates put all images first; the labels are then lines after them. Names of the tokens
    that steer a model are broken up in ask, so that a question about "<image>" is one about that
    word.
    """
    content = []
    for number, label in enumerate(labels):
        before = "\n" if number else ""
        content += [{"type": "text", "text": before + label}]
        content += [{"type": "image"}]
    content += [{"type": "text", "text": "\n" + _harmless(processor, ask)}]
    # Where the template asks for it: the answer at once, no thoughts before.
    switch = {"enable_thinking": False} if "enable_thinking" in str(processor.chat_template) else {}
    messages = [{"role": "user", "content": content}]
    chat: str = processor.apply_chat_template(
        messages, add_generation_prompt=True, tokenize=False, **switch
    )
    return chat


def _harmless(processor: Any, text: str) -> str:
    tokenizer = processor.tokenizer
    steering = {added.content for added in tokenizer.added_tokens_decoder.values() if added.special}
    steering |= {str(token) for token in processor.all_special_multimodal_tokens}
    for token in sorted(steering, key=len, reverse=True):
        if token in text:
            text = text.replace(token, f"{token[:1]} {token[1:]}")
    return text


def encode(processor: Any, chats: Sequence[str], frames: Sequence[Sequence[Image.Image]]) -> Any:
    """The model's input, a `BatchFeature` on the CPU, of chats and the frames of each."""
    tokenizer = processor.tokenizer
    begun = tokenizer.bos_token is not None and chats[0].startswith(tokenizer.bos_token)
    return processor(
        text=list(chats),
        images=[[frame.convert("RGB") for frame in shown] for shown in frames],
        padding=True,
        add_special_tokens=not begun,  # some templates write the beginning themselves
        return_tensors="pt",
    )

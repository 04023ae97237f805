"""A file of texts to find: one a line, or records with a text and an id."""

from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, Field

from infer.question_files.field_names import is_field_name, rename_fields
from infer.questions import CleanText
from infer.record_files.raw_records import RawRecord, read_raw_records, source_name
from infer.records import Record, RecordFile, as_object, validated
from infer.texts.clean_text import MAX_TEXT_CHARS


class WantedText(Record):
    """A text to find."""

    model_config = ConfigDict(frozen=True)

    text: CleanText = Field(
        description=f"a text that is not blank, of {MAX_TEXT_CHARS} characters at most"
    )
    is_named: bool = True
    """Whether its id is its own, and not its place in the file."""

    @property
    def name(self) -> str:
        """Return its id, or the text itself where it has none."""
        return self.id if self.is_named else self.text


def read_texts(source: str) -> RecordFile[WantedText]:
    """Read the texts of a file, or of standard input where source is "-".

    Blank lines are passed over; blanks, tabs and line ends inside a text become one space.

    Raises:
        CueframeError: The file cannot be read, or no text in it can be used.
    """
    raws = read_raw_records(
        source, "text", lambda key: key == "text" or is_field_name(key), plain_lines=True
    )
    return validated(raws, WantedText, "text", source_name(source), _fields)


def _fields(raw: RawRecord) -> Mapping[str, Any]:
    """Return text and id of a line or a record; a question is a text, too.

    Raises:
        ValueError: It is neither a text nor an object with one.
    """
    if isinstance(raw.value, str):
        if "\r" in raw.value.strip():
            raise ValueError("its line ends are CR alone; save the file with LF or CRLF")
        own = raw.place if raw.key is None else raw.key
        line = " ".join(raw.value.split())
        return {"id": own, "text": line, "is_named": raw.key is not None}
    fields = rename_fields(as_object(raw.value)).fields
    if "text" not in fields and "question" not in fields:
        raise ValueError('it has no "text"; want {"id": an id, "text": a text}')
    text, name = fields.get("text", fields.get("question")), fields.get("id", raw.key)
    return {
        "id": raw.place if name is None else name,
        "text": " ".join(text.split()) if isinstance(text, str) else text,
        "is_named": name is not None,
    }

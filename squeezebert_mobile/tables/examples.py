"""One row of labelled data for each task, as `finetune --help` and docs/data.md show it."""

from typing import NamedTuple

from squeezebert_mobile.tasks import Task


class ExampleRow(NamedTuple):
    """The columns that a task reads, optional ones in brackets, and a row of them in JSON."""

    task: Task
    columns: str
    row: str


EXAMPLE_ROWS = (
    ExampleRow(Task.TEXT_CLASSIFICATION, "text [text_pair] label", '{"text": "a fine film", "label": "positive"}'),
    ExampleRow(
        Task.TEXT_CLASSIFICATION, "text [text_pair] labels", '{"text": "you fool", "labels": ["rude", "short"]}'
    ),
    ExampleRow(Task.TEXT_CLASSIFICATION, "text [text_pair] label", '{"text": "a fine film", "label": 4.5}'),
    ExampleRow(
        Task.TOKEN_CLASSIFICATION, "tokens tags", '{"tokens": ["Ada", "Lee", "works"], "tags": ["B-PER", "I-PER", "O"]}'
    ),
    ExampleRow(
        Task.QUESTION_ANSWERING,
        "question context answers",
        '{"question": "Who works?", "context": "Ada works.", "answers": {"text": ["Ada"], "answer_start": [0]}}',
    ),
    ExampleRow(Task.FILL_MASK, "text", '{"text": "a film that stays with you"}'),
    ExampleRow(
        Task.MULTIPLE_CHOICE,
        "sent1 [sent2] ending0 ending1 ... label",
        '{"sent1": "She opens it.", "sent2": "Then she", "ending0": "sings.", "ending1": "is a door.", "label": 0}',
    ),
    ExampleRow(
        Task.MULTIPLE_CHOICE,
        "[article] question options answer",
        '{"article": "Ada built it.", "question": "Who did?", "options": ["Ada did.", "Lee did."], "answer": "A"}',
    ),
    ExampleRow(
        Task.FEATURE_EXTRACTION,
        "text text_pair [score]",
        '{"text": "a fine film", "text_pair": "a good movie", "score": 0.9}',
    ),
    ExampleRow(
        Task.FEATURE_EXTRACTION,
        "anchor positive [negative ...]",
        '{"anchor": "Who sings?", "positive": "Ada sings.", "negative": "Ada works."}',
    ),
)


def shown() -> str:
    """The rows as a paragraph of help; the backspace keeps its lines as they are."""
    lines = [
        line for example in EXAMPLE_ROWS for line in (f"  {example.task}: {example.columns}", f"    {example.row}")
    ]
    return "\n".join(["\b", "Columns and a row of each task:", *lines, "Formats and other names: docs/data.md"])

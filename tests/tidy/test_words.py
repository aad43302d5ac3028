"""What people read, on a screen or in a document, uses the words of the field: what to avoid, and the word instead."""

from __future__ import annotations

import ast
import re

import pytest

from tidy.house import modules, tree_texts

INSTEAD = {
    r"\b(lies?|lay|lying)\b": "is, was, exists",
    r"\b(is|are|was|were) none\b(?! of)": "is not a ..., is invalid",
    r"\b(tells?|told|telling)\b": "shows, says, reports, lists",
    r"\b(brings?|brought|bringing) (a|an|the|it|them|some|no|\d)?\b": "fetches, sends, delivers",
    r"\b(brought|bringing)\b": "fetched, sent, delivered",
    r"\bmoments?\b": "timestamp, time",
    r"\bmade? due\b": "queued",
    r"\b(nobody|somebody|whoever)\b": "the account, the administrator, another client, or the passive",
    r"\bowners?\b(?! of the project)": "session, subject, project, folder, entity",
    r"\bso many\b": "how many, a number",
    r"\ba (long|short) while\b": "a duration",
    r"\bsettled down\b": "unchanged",
    r"\bcame into being\b": "was created",
    r"\banew\b": "again",
}

ALLOWED = (  # the owner of a file, or of a project among its members; "where there is none"
    r"\bowner only\b|\b(?:its|the file's) owner\b(?= (?:alone|and mode|can|may|\())|\bowners(?:,| and) members\b"
    r"|\bthere (?:is|are|was|were) none\b"
)

NOT_JUDGED = {  # by the beginning of their paths
    "CHANGELOG.md": "it records releases in the words that they had",
    "docs/adr/": "a decision is a record: it keeps the words of its day",
    "docs/xnat/": "evidence: it quotes what XNAT says and asks for",
}
MADE = "docs/reference/"  # by the build of the site, from the help, which is judged itself
NOT_PROSE = re.compile(
    r"^ *```[\s\S]*?^ *```|(?:(?<=\n\n)|\A)(?: {4}.*\n?)+|`[^`\n]*(?:\n[^`\n]+)?`|(?<=\])\([^)\s]*\)|<!--[\s\S]*?-->",
    re.MULTILINE,
)


def texts_of(module: str) -> list[tuple[int, str]]:
    """The sentences of a module that a person may see: each literal with a space, and the help of each command."""
    tree = ast.parse(module)
    silent: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if isinstance(node, ast.FunctionDef) and _is_command(node):
                continue
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                silent.add(id(first.value))
    return [
        (node.lineno, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in silent
        if " " in node.value
    ]


def _is_command(node: ast.FunctionDef) -> bool:
    """Typer makes the help of a command from its docstring."""
    return any("command" in ast.unparse(each) for each in node.decorator_list)


def faults(text: str) -> list[str]:
    """Each phrase that the field says otherwise, with what to say instead."""
    return [
        f"{found[0]!r}: say {instead}"
        for phrase, instead in INSTEAD.items()
        if (found := re.search(phrase, text, re.IGNORECASE))
    ]


def prose_of(page: str) -> list[tuple[int, str]]:
    """The paragraphs, rows and points of a document, each with its first line; no code, link target or remark."""
    blocks: list[tuple[int, str]] = []
    for number, line in enumerate(NOT_PROSE.sub(_masked, page).splitlines(), 1):
        if not blocks or not line.strip() or not blocks[-1][1] or re.match(r"\s*(?:[|#*-]|\d+\.)", line):
            blocks.append((number, line.strip()))
        else:
            first, text = blocks[-1]
            blocks[-1] = (first, f"{text} {line.strip()}")
    return [(number, re.sub(ALLOWED, "_", text.replace("*", ""))) for number, text in blocks]


def _masked(found: re.Match[str]) -> str:
    return re.sub(r"[^\n]", "_", found[0])


def _judged_pages() -> dict[str, str]:
    return {
        name: text for name, text in tree_texts() if name.endswith(".md") and not name.startswith((MADE, *NOT_JUDGED))
    }


def test_documents_use_the_words_of_the_field() -> None:
    """What a user reads: the README, the manual, and the pages for contributors."""
    pages = _judged_pages()
    found = [
        f"{name}:{line}: {fault} ({text[:60]!r})"
        for name, page in pages.items()
        for line, text in prose_of(page)
        for fault in faults(text)
    ]

    assert len(pages) > 15
    assert found == []


def test_nothing_in_a_document_hides_the_rest_of_it() -> None:
    """An open mark or a block of code ends before the next paragraph: what is added at the end of a page is judged."""
    pages = _judged_pages()

    assert [name for name, page in pages.items() if not faults(prose_of(f"{page}\n\nIt lies here.\n")[-1][1])] == []


def test_every_document_that_is_not_judged_exists() -> None:
    """The list of those left out does not outlive its reasons."""
    names = [name for name, _ in tree_texts()]

    assert [left for left in NOT_JUDGED if not any(name.startswith(left) for name in names)] == []


@pytest.mark.parametrize(
    ("page", "first"),
    [("# A\n\nNothing is\nthere. It lies\nhere.\n", 3), ("| a | b |\n|---|---|\n| `c` | nobody |\n", 3),
     ("* a\n* it\n  tells more\n", 2), ("1. all owners\n", 1), ("See [what is told](x.md).\n", 1),
     ("a **moment**\n", 1), ("```\ncode\n```\n\nit is\nnone\n", 5), ("an owner of the file\n", 1),
     ("a\n\n    code\n\n    more\n\nb\n\nit lies\n", 9), ("an open ` mark\n\nit lies `here`\n", 3)],
)  # fmt: skip
def test_a_phrase_in_a_document_is_found(page: str, first: int) -> None:
    """In a paragraph, a row, a point or the text of a link, also across two lines; with the line where it begins."""
    assert [line for line, text in prose_of(page) if faults(text)] == [first]


@pytest.mark.parametrize(
    "page",
    ["```toml\nlies = 1\n```\n", "a\n\n    $ tell owner\n\n    lay\n", "the table `owner`", "`a moment\nago`",
     "[kept](../tests/test_told.py)", "<!-- told by a test -->", "only its owner may read it", "owners and members",
     "where there is none",
     "* a\n  ```\n  lies\n  ```\n"],
)  # fmt: skip
def test_code_in_a_document_is_no_prose(page: str) -> None:
    """Blocks, inline code, link targets and remarks; the rights of files and members have the field's own words."""
    assert [text for _, text in prose_of(page) if faults(text)] == []


def test_texts_use_the_words_of_the_field() -> None:
    """Help, errors, advice, output and the diary.  The sandbox answers as XNAT does, in XNAT's words."""
    ours = [(name, text) for name, text in modules() if ".sandbox" not in name]
    found = [
        f"{name}:{line}: {fault} ({sentence[:60]!r})"
        for name, text in ours
        for line, sentence in texts_of(text)
        if not _is_sql(sentence)
        for fault in faults(sentence)
    ]

    assert found == []


def _is_sql(sentence: str) -> bool:
    """The tables of the ledger keep their names."""
    return re.search(r"owner_id|\b(from|join|update) owner\b|^owner \(", sentence) is not None


@pytest.mark.parametrize(
    "sentence",
    ["something lies there already", "the level is none", "`why` tells more", "12 files brought", "there at a moment",
     "somebody deleted it", "3 of 40 owners looked at", "so many of each route", "made due for the next sync"],
)  # fmt: skip
def test_a_mannered_phrase_is_found(sentence: str) -> None:
    """What the reviewers read, and its like: in a literal, in the help of a command."""
    literal = f"x = {sentence!r}"
    command = f"@program.command()\ndef ls() -> None:\n    {sentence!r}\n"

    assert [faults(text) != [] for _, text in texts_of(literal)] == [True]
    assert [faults(text) != [] for _, text in texts_of(command)] == [True]


def test_a_docstring_is_no_text_for_people() -> None:
    """Only of a command: its docstring is its help."""
    assert texts_of('"""Something lies here."""\ndef f() -> None:\n    """Somebody told it."""\n') == []


def test_every_phrase_is_worth_its_line() -> None:
    """A pattern that matches nothing at all would be a slip of the pen."""
    listed = "it lies|it is none|it tells|brings a|brought|moment|made due|nobody|owners|so many|a long while"
    examples = [*listed.split("|"), "settled down", "came into being", "anew"]

    assert [phrase for phrase, text in zip(INSTEAD, examples, strict=True) if not re.search(phrase, text)] == []


# --- docstrings --------------------------------------------------------------------------------------------------

NO_VERB = frozenset(
    [
        "As",
        "Its",
        "This",
        "Us",
        "Always",
        "Perhaps",
        "Thus",
        "Less",
        "Previous",
        "Various",
        "Seconds",
        "Members",
        "Resources",
        "Sessions",
    ]
)


def third_person(module: str) -> list[tuple[int, str]]:
    """The functions whose docstring describes instead of saying what is done: `Gives ...`, with the word."""
    return [
        (node.lineno, found[0])
        for node in ast.walk(ast.parse(module))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if (found := re.match(r"[A-Z][a-z]*[^s\W]s\b|[A-Z][a-z]*sses\b", ast.get_docstring(node) or ""))
        if found[0] not in NO_VERB
    ]


def test_docstrings_are_imperative() -> None:
    """`Return ...`, `Write ...`: the promise of a function, as PEP 257 and every tool of the field has it."""
    assert [(name, line, word) for name, text in modules() for line, word in third_person(text)] == []


@pytest.mark.parametrize(
    ("docstring", "found"),
    [("Gives the rows.", True), ("Tells whether it is there.", True), ("Passes it on.", True),
     ("Return the rows.", False),
     ("As for items.", False), ("Nothing can be written.", False), ("Pass it on.", False)],
)  # fmt: skip
def test_a_docstring_that_describes_is_found(docstring: str, found: bool) -> None:
    """Of functions and methods alike."""
    assert (third_person(f'class A:\n    def f(self):\n        """{docstring}"""\n') != []) is found

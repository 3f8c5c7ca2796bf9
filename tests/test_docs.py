"""Holds the documents to the code."""

import ast
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import AliasChoices

from api.http.problems import STATUS
from api.http.validation_messages import ERRORS
from api.reference import permissions
from cks.domain.operations.attention import PATIENCE, Why
from cks.domain.operations.failures import FAILURES
from cks.domain.registry import TYPES
from cks.settings import Settings

ROOT = Path(__file__).parent.parent
DECISIONS = sorted((ROOT / "docs/decisions").glob("*.md"))
PAGES = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CHANGELOG.md")]
PAGES += sorted((ROOT / "docs").rglob("*.md"))
SOURCES = [path for name in ("api", "cks") for path in sorted((ROOT / name).rglob("*.py"))]
HEADINGS = ["Context", "Decision", "Consequences", "Alternatives", "Held by"]

LINK = re.compile(r"\]\(([^)]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
PLACE = re.compile(r"([\w.-]+(?:/[\w.-]+)*/?)(?:::(\w+))?")
NAMES = r"(`[A-Za-z_][\w.]*`(?:(?:,|,?\s+and|,?\s+or)\s+`[A-Za-z_][\w.]*`)*)"
FILE = r"`([\w.-]+(?:/[\w.-]+)*\.(?:py|sql|md))`"
NAMES_OF_FILE = re.compile(rf"{NAMES}\s+(?:in|of)\s+{FILE}")
FILE_WITH_NAMES = re.compile(rf"{FILE}\s+\({NAMES}\)")
CODE_HEADING = re.compile(r"^### `(\w+)`$", re.MULTILINE)


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def fences(text: str) -> list[str]:
    return re.findall(r"^```\w*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def part(page: str, title: str) -> str:
    """Return what stands under a heading of the second level."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return text.split(f"\n## {title}\n")[1].split("\n## ")[0]


def sections(page: str, title: str) -> dict[str, str]:
    """Return code → text of the headings like ``### `code` `` within a part of a page."""
    _, *found = CODE_HEADING.split(part(page, title))
    return dict(zip(found[::2], found[1::2], strict=True))


def places(text: str) -> Iterator[tuple[str, str | None]]:
    """Yield what is quoted and begins like a path of the tree, with the test it names."""
    tops = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    for quoted in CODE.findall(text):
        found = PLACE.fullmatch(quoted)
        if found and found[1].split("/")[0] in tops:
            yield found[1], found[2]


def pairs(text: str) -> Iterator[tuple[str, str]]:
    """Yield (name, file) for prose like "`name` in `file.py`" and "`file.py` (`name`, `other`)"."""
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    found = [(names, file) for names, file in NAMES_OF_FILE.findall(prose)]
    found += [(names, file) for file, names in FILE_WITH_NAMES.findall(prose)]
    for names, file in found:
        yield from ((name, file) for name in CODE.findall(names))


def words_of(source: str) -> set[str]:
    """Return what Python code defines, and the words of its strings: a statement's, a header's."""
    tree = ast.parse(source)
    words = set()
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                words.add(node.name)
            case ast.Name(ctx=ast.Store()):
                words.add(node.id)
            case ast.Attribute(ctx=ast.Store()):
                words.add(node.attr)
            case ast.Constant(value=str(text)):
                words |= set(re.findall(r"\w+", text))
    return words


def has(file: str, name: str) -> bool:
    """Say whether a file of the tree defines a name, or has it as a word; ``module.name``, too."""
    path = ROOT / file
    if not path.is_file():
        return False
    text = path.read_text(encoding="utf-8")
    words = words_of(text) if path.suffix == ".py" else set(re.findall(r"\w+", text))
    return set(name.split(".")) <= words | {path.stem}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_name_is_in_the_file_that_is_named_with_it(page: Path) -> None:
    named = pairs(page.read_text(encoding="utf-8"))
    assert [(name, file) for name, file in named if not has(file, name)] == []


def test_a_name_that_is_not_in_its_file_is_found() -> None:
    text = """`Settings` in `cks/settings.py`, `gone` of
    `cks/settings.py`; `cks/settings.py` (`load`, `Absent.load`); `load` in `cks/absent.py`;
    `tenants` and `lost` in `cks/db/migrations/versions/0001_tenants.sql`."""
    assert {pair for pair in pairs(text) if not has(pair[1], pair[0])} == {
        ("gone", "cks/settings.py"),
        ("Absent.load", "cks/settings.py"),
        ("load", "cks/absent.py"),
        ("lost", "cks/db/migrations/versions/0001_tenants.sql"),
    }


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    targets = LINK.findall(page.read_text(encoding="utf-8"))
    relative = [target.split("#")[0] for target in targets if "://" not in target]
    assert [target for target in relative if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_path_and_test_that_is_named_exists(page: Path) -> None:
    named = list(places(page.read_text(encoding="utf-8")))
    assert [path for path, _ in named if not (ROOT / path).exists()] == []
    for path, test in named:
        assert not test or f"def {test}(" in (ROOT / path).read_text(encoding="utf-8"), test


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_make_target_that_is_named_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    quoted = "\n".join([*CODE.findall(text), *fences(text)])
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"^(?:\S+=\S+ )*make ([a-z]+)", quoted, re.MULTILINE)) <= set(targets)


def test_the_readme_is_short_and_its_tree_is_the_tree() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150
    (tree,) = fences(part("README.md", "Where things are"))
    named = [line.split()[0] for line in tree.splitlines()]
    assert [path for path in named if not (ROOT / path).exists()] == []
    packages = {f"{path.parent.name}/" for path in ROOT.glob("*/__init__.py")}
    assert packages - {"cks/"} <= set(named)


def test_the_architecture_fits_into_200_lines() -> None:
    assert len((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").splitlines()) <= 200


def test_the_readme_names_every_operation_with_its_workflow() -> None:
    rows = part("README.md", "What each operation does").splitlines()
    for kind in TYPES.values():
        run = f"| `{kind.workflow}` |" if kind.workflow else "| none"
        assert any(f"| `{kind.name}`" in row and run in row for row in rows), kind.name


def test_every_problem_has_its_section_with_each_of_its_statuses() -> None:
    told = sections("docs/errors.md", "Problems")
    assert set(told) == {kind.code for kind in STATUS}
    assert [k.code for k, (status, _) in STATUS.items() if str(status) not in told[k.code]] == []


def test_the_page_of_permissions_is_made_from_the_declarations() -> None:
    told = (ROOT / "docs/permissions.md").read_text(encoding="utf-8")
    assert told == permissions.page(told), "run `make permissions`"


def test_every_failure_of_an_operation_has_its_section_with_whose_fault_it_is() -> None:
    told = sections("docs/errors.md", "Why an operation failed")
    assert set(told) == set(FAILURES)
    assert [c for c, (who, _) in FAILURES.items() if f"Fault `{who}`." not in told[c]] == []


def test_every_reason_for_a_look_is_in_the_table_with_its_patience() -> None:
    table = part("docs/operating.md", "What needs a look")
    told = re.findall(r"^\| `(\w+)` \| .+? \| (\d+) min \|", table, re.MULTILINE)
    assert told == [(why, str(PATIENCE[why] // timedelta(minutes=1))) for why in Why]


def codes_of_fields() -> set[str]:
    """Return the literal codes of every ``Fault`` that is made, and those of Pydantic's errors."""
    codes = {*(code for code, _ in ERRORS.values()), "invalid"}
    for source in SOURCES:
        for call in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "Fault":
                constants = (n for n in ast.walk(call.args[1]) if isinstance(n, ast.Constant))
                codes |= {str(constant.value) for constant in constants}
    return codes


def test_every_code_of_a_field_is_in_the_table_and_no_other() -> None:
    table = part("docs/errors.md", "Codes of fields")
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == codes_of_fields()


def variable_of(field: str) -> str:
    alias = Settings.model_fields[field].validation_alias
    return str(alias.choices[0]) if isinstance(alias, AliasChoices) else f"CKS_{field.upper()}"


def test_every_setting_is_in_the_table_with_its_default_and_no_other() -> None:
    text = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", text, re.MULTILINE))
    assert told == {
        variable_of(name): f"`{field.default}`" if field.default != "" else "(none)"
        for name, field in Settings.model_fields.items()
    }


@pytest.mark.parametrize("page", DECISIONS, ids=name_of)
def test_a_decision_has_its_five_headings_and_one_line_to_quote(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADINGS
    assert len(re.findall(r"^> ", text, re.MULTILINE)) == 1
    assert len(text.splitlines()) <= 60


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = [int(page.name.split("-")[0]) for page in DECISIONS]
    assert numbers == list(range(1, len(DECISIONS) + 1))
    for page, number in zip(DECISIONS, numbers, strict=True):
        assert page.read_text(encoding="utf-8").startswith(f"# {number:04}: ")

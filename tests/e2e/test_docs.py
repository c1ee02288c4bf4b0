"""What the documentation shows is run, or looked up: commands, files, configurations, links."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from contract import REFUSALS
from processes.program import ROOT

# What is neither ours nor shown by `make`: its options are not looked up.
OTHERS = {
    *("apt-get", "az", "curl", "docker", "egctl", "envoy", "export", "git", "helm", "istioctl"),
    *("kubectl", "skopeo"),
}
OURS = (
    "envoy-service-bus",
    "service-bus-emulator",
    "service-bus-fuel",
    "service-bus-load",
)
SUBCOMMANDS = ("check", "import-apim", "render", "sas", "schema")
FOLDERS = "src|tests|envoy|docs|[.]ci"
TARGETS = set(re.findall(r"^([a-z][a-z0-9-]*):", (ROOT / "Makefile").read_text(), re.M))


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """Each Markdown file that git knows, or would."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [path for name in found.stdout.splitlines() if (path := ROOT / name).exists()]


def blocks(*kinds: str) -> list[Block]:
    found = []
    for page in pages():
        text = page.read_text()
        for match in re.finditer(r"^( *)```(\w*)\n(.*?)^\1```$", text, re.M | re.S):
            line = text.count("\n", 0, match.start()) + 1
            inner = re.sub(rf"^{match[1]}", "", match[3], flags=re.M)
            found.append(Block(page, line, match[2], inner))
    return [block for block in found if block.kind in kinds]


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^( *)```.*?^\1```$", "", page.read_text(), flags=re.M | re.S)


def spans(page: Path) -> list[str]:
    """The code in a page's sentences and tables."""
    paragraphs = re.split(r"\n(?:\n|\|)", prose(page))
    found = [span for text in paragraphs for span in re.findall(r"`([^`]+)`", text)]
    return [re.sub(r"\s+", " ", span) for span in found]


def anchors(page: Path) -> set[str]:
    """The names that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.M)
    kept = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in kept}


@pytest.fixture
def command(target_dir: Path) -> Path:
    return target_dir / "tools" / "envoy-service-bus"


def test_links_lead_somewhere() -> None:
    wrong = []
    for page in pages():
        for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
            if re.match(r"https?://", target):
                continue
            name, _, anchor = target.partition("#")
            path = (page.parent / name).resolve() if name else page
            if not path.exists() or (anchor and anchor not in anchors(path)):
                wrong.append(f"{page.relative_to(ROOT)}: {target}")
    assert not wrong, "\n".join(wrong)


def test_files_that_are_named_exist() -> None:
    wrong = []
    # The changelog tells of what was.
    for page in set(pages()) - {ROOT / "CHANGELOG.md"}:
        for span in spans(page):
            path = re.fullmatch(rf"(?:{FOLDERS})/[\w./-]+", span)
            named = span if path else f"tests/e2e/{span}" if is_test(span) else None
            if named and not any((base / named).exists() for base in (ROOT, page.parent)):
                wrong.append(f"{page.relative_to(ROOT)}: {span}")
    assert not wrong, "\n".join(wrong)


def is_test(span: str) -> bool:
    return re.fullmatch(r"test_\w+\.py", span) is not None


def test_targets_of_make_exist() -> None:
    wrong = []
    for page in pages():
        lines = [line for block in of(page, "sh", "console", "") for line in block.split("\n")]
        for text in [*spans(page), *lines]:
            for words in re.findall(r"(?:^|[;&] ?|\$ )make((?: +[^ #&|;`]+)*)", text):
                named = [word for word in words.split() if re.fullmatch(r"[a-z][a-z0-9-]*", word)]
                wrong += [
                    f"{page.relative_to(ROOT)}: make {each}"
                    for each in named
                    if each not in TARGETS
                ]
    assert not wrong, "\n".join(wrong)


def of(page: Path, *kinds: str) -> list[str]:
    return [block.text for block in blocks(*kinds) if block.page == page]


def test_commands_and_options_exist(target_dir: Path) -> None:
    wrong = []
    helps: dict[tuple[str, ...], str] = {}
    for page in pages():
        lines = [line for text in of(page, "sh", "console", "") for line in joined(text)]
        for text in [*spans(page), *lines]:
            for tool, subcommand, options in uses(text) or of_title(page, text):
                if (tool, subcommand) not in helps:
                    helps[tool, subcommand] = help_of(target_dir, tool, subcommand)
                told = helps[tool, subcommand]
                missing = [option for option in options if not re.search(rf"{option}\b", told)]
                if missing or not told:
                    wrong.append(f"{page.relative_to(ROOT)}: {tool} {subcommand} {missing}")
    assert not wrong, "\n".join(wrong)


def joined(text: str) -> list[str]:
    """The lines of a block, those that end with a backslash with the next."""
    return re.sub(r" *\\\n(> )?", " ", text).split("\n")


def uses(text: str) -> list[tuple[str, str, list[str]]]:
    """Our commands in a line: the tool, its subcommand, its options."""
    found = []
    for part in re.split(r"\|\||&&|[|;)]|\$\(|^[$>] ", text):
        words = [word for word in part.split() if not re.match(r"\w+=", word)]
        words = words[words.index("-p") + 1 :] if words[:2] == ["cargo", "run"] else words
        if len(words) > 1 and words[0] in SUBCOMMANDS and words[1].startswith("--"):
            words.insert(0, "envoy-service-bus")
        tool = Path(words[0]).name if words else ""
        if tool not in OURS:
            continue
        options = [word.partition("=")[0] for word in words if re.match(r"--[a-z]", word)]
        first = words[1] if re.fullmatch(r"[a-z][a-z-]*", [*words, ""][1]) else ""
        subcommand = first if tool == "envoy-service-bus" else ""
        if options or subcommand:
            found.append((tool, subcommand, options))
    return found


def of_title(page: Path, text: str) -> list[tuple[str, str, list[str]]]:
    """An option alone, on the page of one of our commands."""
    title = re.match(r"# (\S+)\n", page.read_text())
    option = re.match(r"--[a-z][a-z0-9-]*", text)
    return [(title[1], "", [option[0]])] if title and option and title[1] in OURS else []


def help_of(target_dir: Path, tool: str, subcommand: str) -> str:
    """What a tool tells of itself; nothing where it does not know the subcommand."""
    words = [str(target_dir / "tools" / tool), *([subcommand] if subcommand else []), "--help"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout if done.returncode == 0 else ""


def sessions() -> list[Block]:
    """What is shown with what it prints, but for what starts a server."""
    start = r"^\$ (cargo|make|SB_|service-bus-)"
    return [block for block in blocks("console") if not re.search(start, block.text, re.M)]


@pytest.mark.parametrize("block", sessions(), ids=str)
def test_sessions_show_what_happens(block: Block, target_dir: Path, tmp_path: Path) -> None:
    """Each command of a session prints what stands under it; `…` is any text."""
    for entry in ROOT.iterdir():
        if entry.name in ("envoy", "src", "tests", "docs"):
            (tmp_path / entry.name).symlink_to(entry)
    script, expected = session(block.text)
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={"PATH": f"{target_dir / 'tools'}:/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    pattern = re.escape(without_places(expected)).replace("…", ".*")
    assert re.fullmatch(pattern, without_places(done.stdout), re.S), done.stdout


def session(text: str) -> tuple[str, str]:
    """The commands of a session as a script, and what they print."""
    commands = re.findall(r"^\$ (.*(?:\n> .*)*)", text, re.M)
    printed = re.sub(r"^\$ .*\n(?:> .*\n)*", "", text, flags=re.M)
    return "\n".join(command.replace("\n> ", "\n") for command in commands), printed


def without_places(text: str) -> str:
    """Lines and columns move whenever a shipped file is changed."""
    return re.sub(r":\d+:\d+:", ":0:0:", text)


def configurations() -> list[Block]:
    """JSON but for that of the tests' own programs."""
    own = ROOT / "tests"
    return [block for block in blocks("json", "jsonc") if not block.page.is_relative_to(own)]


@pytest.mark.parametrize("block", configurations(), ids=str)
def test_configurations_are_accepted(block: Block, command: Path, tmp_path: Path) -> None:
    """A whole configuration, or members of one, of a route, or of `send`."""
    file = tmp_path / "plugin.json"
    file.write_text(json.dumps(whole(members(block.text))))
    done = subprocess.run([command, "check", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def members(text: str) -> dict:
    text = re.sub(r"(?m)(^|\s)//.*$", "", text).strip().rstrip(",")
    return json.loads(text if text.startswith("{") else f"{{{text}}}")


def whole(part: dict) -> dict:
    """The part in a configuration that has nothing else but what it must have."""
    if "namespace" in part and "routes" in part:
        return part
    made: dict = {
        "namespace": "contoso.servicebus.windows.net",
        "cluster": "servicebus",
        "credentials": {"connection_string": {"env": "SB_CONNECTION_STRING"}},
        "routes": [{"name": "orders", "match": {"path": "/orders"}, "send": {"queue": "orders"}}],
    }
    [route] = made["routes"]
    of_send = {"queue", "topic", "payload", "content_type", "broker_properties", "properties"}
    of_route = {"match", "send", "reply", "forward", "fallback", "lookup", "dry_run"}
    for name, value in part.items():
        place = (
            route["send"]
            if name in of_send | {"forward_headers"}
            else route
            if name in of_route
            else made
        )
        place[name] = value
        if name == "lookup":
            del route["send"]
    return made


def test_yaml_is_well_formed(command: Path, tmp_path: Path) -> None:
    """And accepted, where a plugin's configuration is in it."""
    for block in blocks("yaml"):
        assert any(document for document in yaml.safe_load_all(block.text)), block
        if '"namespace"' in block.text or "pluginConfig:" in block.text:
            file = tmp_path / "plugin.yaml"
            file.write_text(block.text)
            done = subprocess.run(
                [command, "check", file], capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{block}: {done.stdout}{done.stderr}"


def test_shell_blocks_use_what_is_known() -> None:
    wrong = []
    for block in blocks("sh"):
        for line in joined(block.text):
            words = shlex.split(re.sub(r"\$\(.*?\)", "x", line), comments=True)
            words = [word for word in words if not re.match(r"\w+=", word)]
            first = Path(words[0]).name if words else "make"
            if first not in OTHERS | {"make", "cargo", "sha256sum", "npm", *OURS}:
                wrong.append(f"{block}: {first}")
    assert not wrong, "\n".join(wrong)


def test_each_reason_is_in_the_table_of_answers() -> None:
    rows = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in (ROOT / "docs" / "delivery.md").read_text().split("\n")
        if line.startswith("| ")
    ]
    told = {}
    for _, status, reason, retry_after in (row for row in rows if len(row) == 4):
        if not re.fullmatch(r"[\d /]+", status):
            continue
        statuses, retries = status.split(" / "), retry_after.split(" / ")
        for position, name in enumerate(re.findall(r"`(\w+)`", reason)):
            retry = retries[min(position, len(retries) - 1)]
            told[name] = (int(statuses[min(position, len(statuses) - 1)]), re.search(r"\w", retry))
    assert told.keys() == REFUSALS.keys()
    for name, (status, retry_after) in told.items():
        refusal = REFUSALS[name]
        assert status == refusal.status, name
        assert bool(retry_after) == bool(refusal.retry_after), name


def test_each_key_of_the_configuration_is_described(command: Path) -> None:
    schema = json.loads(subprocess.run([command, "schema"], capture_output=True, check=True).stdout)
    text = (ROOT / "docs" / "configuration.md").read_text()
    described = names(schema) - REFUSALS.keys()
    missing = [name for name in described if not re.search(rf"\b{re.escape(name)}\b", text)]
    assert not missing, missing


def names(schema: object) -> set[str]:
    """The names of all members that a schema describes."""
    if isinstance(schema, list):
        return set().union(*map(names, schema))
    if not isinstance(schema, dict):
        return set()
    named = schema.get("properties", {})
    parts = [*named.values(), *schema.get("$defs", {}).values()]
    parts += [value for key, value in schema.items() if key not in ("properties", "$defs")]
    return set(named).union(*map(names, parts))


def test_the_readme_is_a_page() -> None:
    assert len((ROOT / "README.md").read_text().split("\n")) <= 151

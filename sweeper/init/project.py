"""Renders and writes the files of a new project."""

from __future__ import annotations

import dataclasses
import json
import shlex
from pathlib import Path
from typing import Any

import jinja2

from sweeper.common.output_files import atomic_write, make_writable
from sweeper.inspect.suggestion import as_yaml
from sweeper.two_tower.config import TFDS_PREFIX

TEMPLATES = Path(__file__).parent / "templates"
# The path of each template's file; NAME is the project's, VARIANT that of the second file of
# features, if there is one.
FILES = {
    "data.yaml": "conf/data/NAME.yaml",
    "features.yaml": "conf/features/NAME.yaml",
    "features_variant.yaml": "conf/features/NAME_VARIANT.yaml",
    "experiment.yaml": "conf/experiment/NAME.yaml",
    "study.yaml": "conf/study/NAME.yaml",
    "plugins.py": "plugins.py",
    "test_plugins.py": "test_plugins.py",
    "README.md": "README.md",
}
# The second file of features, by whether the first one has the user's id.
VARIANTS = {True: "without_user_id", False: "with_user_id"}


def project_files(directory: Path, values: dict[str, Any]) -> dict[Path, str]:
    """Renders each file.

    Args:
      values: the values of the templates, with `name` and `variant` (None without a variant).

    Returns:
      the text of each file, by its path.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        # YAML and Python, not HTML.
        autoescape=False,  # nosec B701
    )
    environment.filters |= {
        "yaml": _yaml, "shell": shlex.quote, "json": _json, "changed": _changed,
        "fields": _fields, "absolute": _absolute,
    }  # fmt: skip
    return {
        directory / path: environment.get_template(f"{template}.jinja").render(values)
        for template in FILES
        if (path := _place(template, values["name"], values["variant"])) is not None
    }


def _place(template: str, name: str, variant: str | None) -> str | None:
    """Returns the path of a template's file; None if it isn't written."""
    place = FILES[template].replace("NAME", name)
    if "VARIANT" not in place:
        return place
    return None if variant is None else place.replace("VARIANT", variant)


def existing_files(directory: Path, name: str) -> list[str]:
    """Returns a line for each of a project's files that exists already.

    Args:
      name: the name of the project.
    """
    places = dict.fromkeys(
        _place(template, name, variant) for variant in VARIANTS.values() for template in FILES
    )
    return [
        f"{directory / place}: exists already; use another folder, as files are never overwritten"
        for place in places
        if place is not None and (directory / place).exists()
    ]


def write_files(files: dict[Path, str]) -> None:
    """Writes all of them, or none.

    Raises:
      OutputError: one of them can't be written.
    """
    for folder in dict.fromkeys(path.parent for path in files):
        make_writable("directory", folder)
    written = []
    try:
        for path, text in files.items():
            written.append(path)
            atomic_write(path, text.encode())
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise


def _absolute(path: str) -> str:
    """Returns an absolute path; the name of a TFDS data set stays as it is."""
    return path if path.startswith(TFDS_PREFIX) else str(Path(path).expanduser().resolve())


def _yaml(value: Any) -> str:
    """Writes a value as YAML in one line."""
    if isinstance(value, str):
        return as_yaml(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_yaml, value))}]"
    if isinstance(value, dict):
        # OmegaConf has no references in keys.
        pairs = (
            f"{json.dumps(key, ensure_ascii=False)}: {_yaml(each)}" for key, each in value.items()
        )
        return f"{{{', '.join(pairs)}}}"
    return json.dumps(value)


def _json(value: Any) -> str:
    """Writes a value as JSON without spaces, for a command line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _changed(settings: Any) -> dict[str, Any]:
    """Returns the fields of a dataclass that differ from their defaults."""
    default = dataclasses.asdict(type(settings)())
    return {
        key: value for key, value in dataclasses.asdict(settings).items() if value != default[key]
    }


def _fields(settings: Any) -> list[tuple[str, Any]]:
    return list(dataclasses.asdict(settings).items())

"""Pages from templates."""

from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jinja2

from zooscope import atomic


def write_page(path: Path, template: str, *, root: str, **values: Any) -> None:
    """Render a template; `root` leads from the page to the site's folder."""
    page = _environment().get_template(f"{template}.html.j2").render(root=root, version=version("zooscope"), **values)
    atomic.write_text(path, page)


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("zooscope.report.site", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

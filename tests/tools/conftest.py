"""The scripts of `tools/`, as modules."""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture(scope="module")
def load_tool() -> Iterator[Callable[[str], ModuleType]]:
    """A script by its name; what lies beside it can be imported."""

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"tools_{name}", TOOLS / f"{name}.py")
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        patch.setitem(sys.modules, spec.name, module)  # dataclasses look their module up
        spec.loader.exec_module(module)
        return module

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(TOOLS))
        yield load


@pytest.fixture(scope="module")
def tool(request: pytest.FixtureRequest, load_tool: Callable[[str], ModuleType]) -> ModuleType:
    """The script whose name the tests' module has after `test_`."""
    return load_tool(request.path.stem.removeprefix("test_"))

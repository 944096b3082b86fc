"""`--model package.module:function`: what builds the model that bare weights belong to. The user's own code."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from cutaway.errors import SourceError


def built(model: str | Callable[..., Any]) -> Any:
    """What the user's function returns: "package.module:function", "file.py:function", or the function itself.

    A class is called as well; an object that is a model already is returned as it is. Modules are looked for in the
    working directory too. Raises SourceError naming what is wrong.
    """
    found = named(model) if isinstance(model, str) else model
    # A model is callable too: only functions and classes build one.
    builds = isinstance(found, type) or hasattr(found, "__code__") or hasattr(found, "func")
    if not builds:
        return found
    try:
        return found()
    except Exception as error:
        what = model if isinstance(model, str) else getattr(found, "__name__", "the function")
        raise SourceError(
            f"--model {what}: calling it without arguments failed ({type(error).__name__}: {error}); "
            "give a function that takes none and returns the model"
        ) from error


def named(text: str) -> Any:
    """The object that "module:name" stands for. Raises SourceError."""
    module, _, name = text.rpartition(":")
    if not module or not name:
        raise SourceError(f"--model {text}: must be package.module:function, like my_net.model:build")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found: Any = from_file(module) if module.endswith(".py") else import_module(module)
    except ModuleNotFoundError as error:
        if error.name and module.startswith(error.name):
            raise SourceError(
                f"--model {text}: no module {error.name!r}; run this in the folder that holds it, or set PYTHONPATH"
            ) from None
        raise SourceError(f"--model {text}: it needs {error.name!r}, which is not installed") from None
    except Exception as error:
        raise SourceError(f"--model {text}: importing it failed ({type(error).__name__}: {error})") from error
    for part in name.split("."):
        if not hasattr(found, part):
            some = [one for one in vars(found) if not one.startswith("_")] if hasattr(found, "__dict__") else []
            raise SourceError(f"--model {text}: no {part!r} in it; there are {', '.join(some[:12]) or 'no names'}")
        found = getattr(found, part)
    return found


def from_file(path: str) -> Any:
    """A Python file as a module; files beside it can be imported by it."""
    if not os.path.isfile(path):
        raise SourceError(f"--model {path}: no such file; check the path")
    folder = os.path.dirname(os.path.abspath(path))
    if folder not in sys.path:
        sys.path.insert(0, folder)
    name = os.path.basename(path).removesuffix(".py")
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise SourceError(f"--model {path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(name, module)
    spec.loader.exec_module(module)
    return module

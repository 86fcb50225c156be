"""The registry: which adapters there are, by the name that settings use. Each is imported only when it is asked for.

It must not know how any of them works.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from types import MappingProxyType, ModuleType
from typing import Any, cast

from bot.errors import SettingsError
from bot.ports import ChatAdapter

REGISTRY: Mapping[str, str] = MappingProxyType(
    {
        "folder": "adapters.folder:FolderAdapter",
        "mail": "adapters.mail:MailAdapter",
        "slack": "adapters.slack:SlackAdapter",
        "telegram": "adapters.telegram:TelegramAdapter",
        "terminal": "adapters.terminal:TerminalAdapter",
    }
)


def load(name: str) -> Callable[..., ChatAdapter]:
    """The class of the adapter ``name``. Raises SettingsError when there is none, or when its SDK is not installed."""
    target = REGISTRY.get(name)
    if target is None:
        raise SettingsError(f"There is no adapter {name!r}; there are: {', '.join(sorted(REGISTRY))}.")
    module, _, attribute = target.partition(":")
    return cast("Callable[..., ChatAdapter]", getattr(_imported(name, module), attribute))


def doctor(name: str) -> Any:
    """The module that looks at the set-up of adapter ``name``. Raises SettingsError when its SDK is not installed."""
    return _imported(name, f"adapters.{name}.doctor")


def _imported(name: str, module: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in {"adapters", "bot"}:
            raise  # a mistake of ours, not a missing extra
        raise SettingsError(
            f"The adapter {name!r} needs the package {error.name!r}, which is not installed: "
            f"pip install 'firstline[{name}]'."
        ) from error

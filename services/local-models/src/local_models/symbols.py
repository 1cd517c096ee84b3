"""The symbols that server reflection is asked for: those of protobuf's pool, and the methods that it does not find."""

from typing import Any

from google.protobuf import descriptor_pool


class Symbols:
    """A descriptor pool that knows `package.Service.Method` too, which ghz asks for."""

    def __init__(self) -> None:
        pools: Any = descriptor_pool  # whose functions have no types
        self._pool = pools.Default()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    def FindFileContainingSymbol(self, name: str) -> Any:  # noqa: N802  protobuf's name
        """The file of a symbol; raises KeyError, as a pool does."""
        try:
            return self._pool.FindFileContainingSymbol(name)
        except KeyError:
            service, _, method = name.rpartition(".")
            return self._pool.FindServiceByName(service).methods_by_name[method].containing_service.file

"""Attributes that are built once, on first use, from any thread."""

from collections.abc import Callable
from threading import RLock
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")
_lock = RLock()


class lazy(Generic[T]):  # noqa: N801 - used like `property`
    """A property that is computed on first use and then kept, as `functools.cached_property`, but never twice.

    One lock serves all of them, because one part often builds another.

    Examples:
        >>> class Models:
        ...     @lazy
        ...     def detector(self) -> str:
        ...         return "built once"
        >>> Models().detector
        'built once'
    """

    def __init__(self, build: Callable[[Any], T]) -> None:
        self._build, self.__doc__ = build, build.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> "lazy[T]": ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> "lazy[T] | T":
        if instance is None:
            return self
        with _lock:
            # What is kept hides this descriptor from the next use.
            if self._name not in instance.__dict__:
                instance.__dict__[self._name] = self._build(instance)
            kept: T = instance.__dict__[self._name]
            return kept

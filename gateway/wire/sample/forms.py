"""Composed fields: one field of ours that a document holds in parts, joined and taken apart by its form under ``[parts]``."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from gateway.core.errors import Code, Refusal
from gateway.wire.sample.language import FIELDS, Missing, Template, checked


class Form:
    """One field's form as one sample uses it: in parts, or whole. A part that bears a field's name gives that field, too."""

    def __init__(self, name: str, template: Template, keys: Collection[str]) -> None:
        self.name = name
        self.in_parts = any(key.startswith(f"{name}#") for key in keys)
        self.used = self.in_parts or name in keys
        self._parts = template.keys
        self._join, self._split = template.writer(), template.reader()
        self.gives = {key: part for key in template.keys if (part := key.partition("#")[2]) in FIELDS}
        self._apart = frozenset(self.gives.values()) & frozenset(keys)

    def join(self, record: dict[str, Any]) -> None:
        """What was read: parts become the field."""
        parts: dict[str, Any] = {}
        try:
            if self.in_parts:
                parts = {key: record.pop(key) for key in self._parts if key in record}
                if not parts:
                    return
                record[self.name] = checked(self._join(dict(parts)) or "", self.name)
            elif self.name in record:
                self._split(record[self.name], parts)
        except Missing as missing:
            raise Refusal(Code.FIELD_MISSING, f"{missing} is missing.", field=str(missing)) from None
        except (ValueError, LookupError) as error:
            self._refuse(record, error)
        for key, field in self.gives.items():
            if key in parts and record.setdefault(field, parts[key]) != parts[key]:
                self._contradiction(record, field)

    def part(self, record: dict[str, Any]) -> None:
        """What is to be written: the field becomes its parts, and what they say again is not said twice."""
        value = record.get(self.name)
        if value is None:
            return
        parts: dict[str, Any] = {}
        try:
            self._split(value, parts)
        except (ValueError, LookupError) as error:
            self._refuse(record, error)
        for key, field in self.gives.items():
            if record.get(field, parts[key]) != parts[key]:
                self._contradiction(record, field)
            if field not in self._apart:
                record.pop(field, None)
        if self.in_parts:
            del record[self.name]
            record.update(parts)

    def _refuse(self, record: dict[str, Any], error: Exception) -> None:
        code = Code.CODE_UNKNOWN if isinstance(error, LookupError) else Code.FIELD_INVALID
        raise Refusal(code, f"{self.name} does not have its form: {error}.", field=self.name, value=record.get(self.name)) from None

    def _contradiction(self, record: dict[str, Any], field: str) -> None:
        raise Refusal(Code.FIELD_INVALID, f"{field} is not what {self.name} says.", field=field, value=str(record.get(field)))

"""Composed fields: one field of ours that a document holds in parts, joined and taken apart by its form under ``[parts]``."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NoReturn

from gateway.core.errors import Code, Refusal
from gateway.wire.dialect.template import FIELDS, Missing, Template, checked


class Form:
    """One field's form as one sample uses it: in parts, or whole. A part that bears a field's name gives that field, too."""

    def __init__(self, name: str, template: Template, keys: Collection[str]) -> None:
        self.name = name
        self.in_parts = any(key.startswith(f"{name}#") for key in keys)
        self.used = self.in_parts or name in keys
        self._join, self._take_apart = template.writer(), template.reader()
        self.gives = [(key, part) for key in template.keys if (part := key.partition("#")[2]) in FIELDS]
        self._apart = {field for _, field in self.gives} & set(keys)

    def join(self, record: dict[str, Any]) -> None:
        """What was read: parts become the field, and the field says what its parts say."""
        if self.in_parts:
            said = [(field, record.get(key)) for key, field in self.gives]
            text = self._compose(record)
            if text is None:
                return
            record[self.name] = text
        else:
            parts = self._split(record) if self.name in record else {}
            said = [(field, parts[key]) for key, field in self.gives if key in parts]
        for field, word in said:
            if record.setdefault(field, word) != word:
                self._contradiction(record, field)

    def part(self, record: dict[str, Any]) -> None:
        """What is to be written: the field becomes its parts, and what they say again is not said twice."""
        if self.name not in record:
            return
        parts = self._split(record)
        for key, field in self.gives:
            if record.get(field, parts[key]) != parts[key]:
                self._contradiction(record, field)
            if field not in self._apart:
                record.pop(field, None)
        if self.in_parts:
            del record[self.name]
            record.update(parts)

    def _compose(self, record: dict[str, Any]) -> str | None:
        try:
            text = self._join(record)
            return None if text is None else checked(text, self.name)
        except Missing as missing:
            raise Refusal(Code.FIELD_MISSING, f"{missing} is missing.", field=str(missing)) from None
        except (ValueError, LookupError) as error:
            self._refuse(None, error)

    def _split(self, record: dict[str, Any]) -> dict[str, Any]:
        parts: dict[str, Any] = {}
        try:
            self._take_apart(record[self.name], parts)
        except (ValueError, LookupError) as error:
            self._refuse(record[self.name], error)
        return parts

    def _refuse(self, value: str | None, error: Exception) -> NoReturn:
        code = Code.CODE_UNKNOWN if isinstance(error, LookupError) else Code.FIELD_INVALID
        raise Refusal(code, f"{self.name} does not have its form: {error}.", field=self.name, value=value) from None

    def _contradiction(self, record: dict[str, Any], field: str) -> NoReturn:
        raise Refusal(Code.FIELD_INVALID, f"{field} is not what {self.name} says.", field=field, value=str(record.get(field)))

"""Commands that show: an answer, a declaration's answers, messages, operators, partners."""

from __future__ import annotations

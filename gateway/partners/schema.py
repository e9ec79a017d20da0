"""JSON Schemas for editors, from the types: ``python -m gateway.partners.schema`` writes them beside the partners."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel

from gateway.partners.shape import LawFile, PartnerFile, SiteFile, SiteLawFile

SCHEMAS: Mapping[str, type[BaseModel]] = {
    "partner.schema.json": PartnerFile,
    "common.schema.json": LawFile,
    "site.schema.json": SiteFile,
    "site-common.schema.json": SiteLawFile,
}


def text(model: type[BaseModel]) -> str:
    """The schema as it is kept in a file."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"} | model.model_json_schema(by_alias=True)
    return json.dumps(schema, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def write(folder: Path) -> None:
    """Writes every schema into ``folder``."""
    for name, model in SCHEMAS.items():
        (folder / name).write_text(text(model), encoding="utf-8")


if __name__ == "__main__":
    write(Path("partners"))

"""Annotated samples: one example message with holes, compiled once, both reads and writes. What it means: schemas/README.md."""

from gateway.wire.dialect.codec import Reading
from gateway.wire.dialect.dialect import Dialect
from gateway.wire.dialect.faults import DialectFaults, Fault
from gateway.wire.dialect.load import load_dialect, load_folder

__all__ = ["Dialect", "DialectFaults", "Fault", "Reading", "load_dialect", "load_folder"]

"""Annotated samples: one example message with holes, compiled once, both reads and writes. What it means: schemas/README.md."""

from gateway.wire.sample.dialect import Dialect
from gateway.wire.sample.face import Reading
from gateway.wire.sample.faults import DialectFaults, Fault
from gateway.wire.sample.load import load_dialect

__all__ = ["Dialect", "DialectFaults", "Fault", "Reading", "load_dialect"]

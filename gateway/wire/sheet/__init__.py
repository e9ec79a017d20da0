"""Spreadsheets, CSV and XLSX: read row by row into statements by named columns, and written the same way. partners/README.md says how."""

from gateway.wire.sheet.columns import ColumnFault, Columns
from gateway.wire.sheet.sheet import Sheet, SheetReading, Unmapped

__all__ = ["ColumnFault", "Columns", "Sheet", "SheetReading", "Unmapped"]

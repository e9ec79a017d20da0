"""How a refusal is said at a terminal."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError

from gateway.cli.common import errors, escape
from gateway.core.errors import Code, Refusal
from gateway.partners.faults import PartnerFaults
from gateway.settings import SettingsFault


def complained(failed: Exception) -> bool:
    """Says what is wrong and what to do, where that is known; False: it is a fault of ours."""
    if isinstance(failed, DBAPIError):
        failed = _database(failed)
    elif isinstance(failed, PermissionError | NotADirectoryError | FileExistsError):
        remedy = "Let AEO_HOME, and whatever files the command names, be where this user may read and write."
        failed = Refusal(Code.DATA_INVALID, f"{failed.filename}: {failed.strerror}.", remedy=remedy)
    if isinstance(failed, Refusal | PartnerFaults | SettingsFault):
        complain(failed)
        return True
    return False


def _database(failed: DBAPIError) -> Refusal:
    """What is wrong with a database that cannot be had, in its driver's own words."""
    said = " ".join(str(failed.orig).split())
    return Refusal(
        Code.INTERNAL,
        f"The database failed: {said}.",
        remedy="Check AEO_HOME and AEO_DATABASE, that the database runs, and that its disk has room; a file that is cut or broken comes back from a backup.",
    )


def complain(refused: Refusal | PartnerFaults | SettingsFault) -> None:
    """Says what is wrong and what to do."""
    if isinstance(refused, Refusal):
        where = " ".join(
            f"{name} {value}"
            for name, value in (("field", refused.field), ("value", refused.value), ("line", refused.line))
            if value
        )
        errors.print(f"[red]{refused.code}[/]: {escape(refused.detail)}{escape(f' ({where})') if where else ''}", highlight=False)
        errors.print(f"   {escape(refused.remedy)}", highlight=False)
        return
    for fault in refused.faults:
        errors.print(escape(str(fault)), highlight=False, soft_wrap=True)

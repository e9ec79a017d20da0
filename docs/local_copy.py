"""Keeps a SQLite file in step with what a gateway knows of standing: AEO_TOKEN=... python local_copy.py https://gateway copy.db

What it may be relied on for, and what not, stands in local_copy.md beside it.
"""

import json
import os
import sqlite3
import sys
import time
from contextlib import closing
from datetime import UTC, datetime
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import Request, urlopen

WAIT, RETRY, BOUND = 2, 1, 10  # seconds: for news, after a fault, and how old what is known may be
TABLES = """
CREATE TABLE IF NOT EXISTS operator (key TEXT PRIMARY KEY, record TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS arrangement (key TEXT PRIMARY KEY, record TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS cursor (key TEXT PRIMARY KEY, record TEXT NOT NULL);"""
ONE = """SELECT c.record, o.record, a.record FROM (SELECT 1) LEFT JOIN cursor c LEFT JOIN operator o ON o.key = ?
LEFT JOIN arrangement a ON a.key = json_extract(o.record, '$.arrangement')"""


def follow(copy, gateway, token):
    """One request. Every line with a cursor commits what came before it; what comes after the last is let go."""
    at = record(copy, "cursor", "")
    path = f"changes?after={at['cursor']}&wait={WAIT}" if at else "snapshot"
    asked = Request(f"{gateway}/v1/operators/{path}", headers={"Authorization": f"Bearer {token}"})
    try:
        with urlopen(asked, timeout=WAIT + 60) as lines, copy:
            if not at:
                copy.execute("DELETE FROM operator")
            for line in lines:
                (((kind, said),),) = [json.loads(line).items()]
                key = said.get("code") or said.get("iso") or ""
                copy.execute(f"INSERT OR REPLACE INTO {kind} VALUES (?, ?)", (key, json.dumps(said)))
                if kind == "cursor":
                    copy.commit()
            copy.rollback()
    except HTTPError as refused:
        if refused.code != 410:
            raise
        with copy:  # it cannot go on from here: nothing is relied on until it has begun anew
            copy.execute("DELETE FROM cursor")


def standing(copy, code, at=None):
    """What stands of a code at a moment: "valid", or why it must not be relied on."""
    now = datetime.now(UTC)
    at = at or now
    one_view = copy.execute(ONE, (code,)).fetchone()
    cursor, operator, arrangement = (json.loads(text) if text else None for text in one_view)
    if not cursor or not cursor["complete"] or abs((now - moment(cursor["as_of"])).total_seconds()) > BOUND:
        return "not-current"
    if not operator:
        return "unknown"
    if not arrangement:
        return "data-too-old"
    if any(
        moment(s["since"]) <= now and (not s["until"] or now < moment(s["until"])) for s in operator["stops"] + arrangement["stops"]
    ):
        return "stopped"
    lists = [moment(as_of) for scope, as_of in arrangement["lists"].items() if scope in ("*", operator["member"])]
    limit = arrangement["stop_after"]
    if not lists or limit is None or int((now - max(lists)).total_seconds()) > limit:
        return "data-too-old"
    found = [of_authorisation(one, at, now) for one in operator["authorisations"]]
    return "valid" if "valid" in found else ", ".join(sorted(set(found)))


def of_authorisation(one, at, now):
    """Its standing; where that is valid, whether its certificate is."""
    said, ran = "not-yet-valid", None
    for s in one["standings"]:  # in the order of time; an annulment that has come is void from the beginning
        if moment(s["since"]) <= at or (s["standing"] == "annulled" and moment(s["since"]) <= now):
            said = s["standing"]
    for p in one["periods"]:
        if moment(p["since"]) <= at:
            ran = p
    if said != "valid" or not one["periods"]:
        return said
    return "not-yet-valid" if not ran else "valid" if not ran["until"] or at < moment(ran["until"]) else "expired"


def moment(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else datetime.min.replace(tzinfo=UTC)


def record(copy, kind, key):
    row = copy.execute(f"SELECT record FROM {kind} WHERE key = ?", (key,)).fetchone()
    return json.loads(row[0]) if row else None


def opened(file):
    copy = sqlite3.connect(file)
    copy.executescript("PRAGMA journal_mode = WAL;" + TABLES)
    return copy


if __name__ == "__main__":
    with closing(opened(sys.argv[2])) as copy:
        while True:
            try:
                follow(copy, sys.argv[1], os.environ["AEO_TOKEN"])
            except (OSError, HTTPException, ValueError) as fault:  # the gateway ends, or the line breaks: it is asked again
                print(f"{type(fault).__name__}: {fault}", flush=True)
                time.sleep(RETRY)

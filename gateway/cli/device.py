"""Signing in at a terminal by way of the console: the OAuth 2.0 device flow (RFC 8628), against our own node."""

from __future__ import annotations

import time

import httpx

from gateway.cli.common import console, escape
from gateway.core.errors import Code, Refusal

#: Where a terminal asks for a code, and where it asks whether somebody entered it.
ASK, POLL = "/sign-in/device", "/sign-in/device/token"


def ask(url: str) -> str:
    """A personal token, once somebody who is signed in at the console has entered the code that is printed here. Raises ``Refusal``."""
    with httpx.Client(base_url=url, timeout=30) as client:
        try:
            begun = client.post(ASK)
            said = begun.json()
            if begun.is_error:
                raise Refusal(Code.UNAUTHENTICATED, str(said["detail"]), remedy=str(said["remedy"]))
            console.print(
                f"Open {said['verification_uri']} and enter the code [bold]{escape(said['user_code'])}[/].", highlight=False
            )
            until, interval = time.monotonic() + said["expires_in"], said["interval"]
            while time.monotonic() < until:
                time.sleep(interval)
                answer = client.post(POLL, data={"device_code": said["device_code"]})
                if answer.status_code == httpx.codes.OK:
                    return str(answer.json()["access_token"])
                outcome = answer.json().get("error")
                if outcome == "slow_down":
                    interval += said["interval"]  # RFC 8628, 3.5
                elif outcome != "authorization_pending":
                    break
        except (httpx.HTTPError, ValueError, KeyError) as error:
            raise Refusal(
                Code.UNAUTHENTICATED,
                f"The node at {url} could not be asked: {error}.",
                remedy="Start it with aeo-gateway serve, or name it with AEO_URL; or give a personal token: aeo-gateway login --token.",
            ) from None
    raise Refusal(Code.UNAUTHENTICATED, "Nobody entered the code in time, or it was refused.", remedy="aeo-gateway login")

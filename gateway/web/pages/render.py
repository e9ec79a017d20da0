"""A page as HTML, with the headers that keep it ours."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse, RedirectResponse, Response

from gateway import __version__
from gateway.core.access import StaffRole
from gateway.core.errors import Refusal
from gateway.web.pages.visit import Visit
from gateway.web.pages.words import NAMES, TAGS

HERE = Path(__file__).parent
#: Pages for whoever is signed in, as the rail shows them: address and the key of its word.
NAVIGATION = (("/me", "nav.me"), ("/device", "nav.device"))
#: What a page may do: nothing that does not come from here, nothing in a frame, nothing kept.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
#: What is served beside the pages, and how it is named so that a browser takes the newest.
STATIC = {one.name: one.read_bytes() for one in sorted((HERE / "static").iterdir()) if one.suffix in (".css", ".js")}
STAMPS = {name: sha256(content).hexdigest()[:12] for name, content in STATIC.items()}

_templates = Environment(
    loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_templates.globals["stamps"] = STAMPS
_templates.globals["version"] = __version__


def page(visit: Visit, template: str, status: int = 200, *, refused: Refusal | None = None, **facts: object) -> Response:
    """One template, filled. ``refused`` is what went wrong with what was typed, told above the form."""
    words, now = visit.words, visit.service.node.clock()

    def moment(at: datetime) -> Markup:
        """A moment as how long ago it is, with both zones for whoever looks closer."""
        shown, zones = words.ago(at, now), words.zones(at)
        return Markup('<time datetime="{}" title="{}">{}</time>').format(at.isoformat(timespec="seconds"), zones, shown)

    shown = {
        "t": words,
        "lang": words.tag,
        "languages": [(tag.value, TAGS[tag], NAMES[tag]) for tag in TAGS],
        "who": visit.signed_in.actor if visit.signed_in else None,
        "emergencies": visit.emergencies,
        "navigation": NAVIGATION if visit.signed_in else (),
        "path": visit.request.url.path,
        "form_token": visit.form_token,
        "moment": moment,
        "typed": visit.typed,
        "refused": words.refusal(refused) if refused else None,
        "field": refused.field if refused else None,
        "role": lambda one: words(f"role.{StaffRole(one).value}"),
    }
    response = HTMLResponse(_templates.get_template(template).render(shown | facts), status)
    if refused is not None and "retry_after" in refused.facts:
        response.headers["Retry-After"] = refused.facts["retry_after"]
    return response


def go(address: str) -> Response:
    """After a form: the browser asks for a page, so that going back sends nothing twice."""
    return RedirectResponse(address, 303)

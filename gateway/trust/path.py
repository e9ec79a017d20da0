"""From a certificate up to an authority we trust: RFC 5280 through pyhanko-certvalidator, fenced in.

What the fence adds: algorithms and keys are allowed by name at every step, on revocation lists and responses too (the library
checks those of certificates only); authorities' own constraints hold although they are trust anchors; the search for a path ends;
and nothing is ever fetched.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from asn1crypto import crl, ocsp
from asn1crypto.x509 import Certificate
from pyhanko_certvalidator import errors, find_valid_path
from pyhanko_certvalidator.authority import CertTrustAnchor, TrustAnchor, derive_quals_from_cert
from pyhanko_certvalidator.context import ValidationContext
from pyhanko_certvalidator.ltv.poe import POEManager
from pyhanko_certvalidator.name_trees import default_excluded_subtrees, default_permitted_subtrees
from pyhanko_certvalidator.policy_decl import (
    CertRevTrustPolicy,
    NonRevokedStatusAssertion,
    RevocationCheckingPolicy,
    RevocationCheckingRule,
)
from pyhanko_certvalidator.registry import CertificateRegistry, SimpleTrustManager, TrustManager
from pyhanko_certvalidator.revinfo.archival import CRLContainer, OCSPContainer
from pyhanko_certvalidator.revinfo.manager import RevinfoManager
from pyhanko_certvalidator.util import get_declared_revinfo
from pyhanko_certvalidator.validate import SUPPORTED_EXTENSIONS

from gateway.core.errors import Code, Refusal
from gateway.core.text import visible
from gateway.trust.allowed import Algorithms, CertificateRules, Signatures
from gateway.wire.certificate import list_from_der, response_from_der

T = TypeVar("T")

#: How often one search may ask who could have issued a certificate: a mesh of n cross-certified authorities has n! paths.
MAX_STEPS = 32
#: How many authorities may be offered for one path, and the bytes of each: name constraints cost names times names.
MAX_AUTHORITIES = 16
MAX_CERTIFICATE = 16 * 1024

_NAMES = {
    "dns_name": re.compile(r"(?!-)[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*", re.ASCII),
    "rfc822_name": re.compile(r"[^@\s]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*", re.ASCII),
}


def check_path(
    leaf: bytes,
    intermediates: Sequence[bytes],
    roots: Sequence[bytes],
    crls: Iterable[bytes],
    ocsps: Iterable[bytes],
    moment: datetime,
    rules: CertificateRules,
) -> None:
    """Raises ``Refusal`` with a CERTIFICATE_* code, or REVOCATION_UNKNOWN, unless ``leaf`` leads to one of ``roots``; all DER."""
    lists, responses = tuple(crls), tuple(ocsps)
    check = partial(_check, leaf, intermediates, roots, lists, responses, moment, rules)
    if lists or responses:
        # Whatever a library raises about evidence, it is not proof of anything: it cannot be told.
        guarded(check, Code.REVOCATION_UNKNOWN, "What is known of revocations")
    else:
        guarded(check, Code.CERTIFICATE_PATH, "A certificate of the path")


def guarded(read: Callable[[], T], code: Code, what: str) -> T:
    """Runs ``read`` over bytes that somebody else made; whatever the libraries raise about them is a no with ``code``."""
    try:
        return read()
    except Refusal:
        raise
    except Exception as error:
        raise Refusal(code, f"{what} cannot be understood.", facts={"error": f"{type(error).__name__}: {error}"[:200]}) from error


def _check(
    leaf: bytes,
    intermediates: Sequence[bytes],
    roots: Sequence[bytes],
    crls: Iterable[bytes],
    ocsps: Iterable[bytes],
    moment: datetime,
    rules: CertificateRules,
) -> None:
    above = (*intermediates, *roots)
    if len(above) > MAX_AUTHORITIES or any(len(der) > MAX_CERTIFICATE for der in above):
        raise Refusal(Code.CERTIFICATE_PATH, "The authorities offered are too many, or one is too large.")
    lists = [CRLContainer(crl.CertificateList.load(der)) for der in crls if _reads(list_from_der, der)]
    responses = [
        one for der in ocsps if _reads(response_from_der, der) for one in OCSPContainer.load_multi(ocsp.OCSPResponse.load(der))
    ]
    certificate, between = Certificate.load(leaf), [one for one in map(Certificate.load, intermediates) if _says_once(one)]
    trusted = [root for root in map(Certificate.load, roots) if _may_issue(root) and _says_once(root)]
    if any(one.name_constraints_value is not None for one in (*between, *trusted)):
        _check_names(certificate)
    walk = partial(_walk, certificate, between, [_anchor(root) for root in trusted])
    if lists and responses:
        # A responder is asked first and may be behind: what a list says is revoked is revoked.
        try:
            walk(lists, [], moment, rules)
        except Refusal as no:
            if no.code is Code.CERTIFICATE_REVOKED:
                raise
    walk(lists, responses, moment, rules)


def _check_names(leaf: Certificate) -> None:
    """Where names are constrained, they must be such as constraints can be compared with.

    ``*.example`` is inside of what forbids ``a.example`` only for who thinks of it (CVE-2025-61727), ``.example`` and ``a@b@example``
    depend on who reads them.
    """
    for name in leaf.subject_alt_name_value or ():
        if name.name in _NAMES and not _NAMES[name.name].fullmatch(str(name.native)):
            raise Refusal(
                Code.CERTIFICATE_PATH, "The certificate holds a name that its authority's constraints cannot be held against."
            )


def _says_once(authority: Certificate) -> bool:
    """Whether none of its extensions stands twice (RFC 5280, 4.2): which of the two holds, every library decides for itself."""
    named = [one["extn_id"].dotted for one in authority["tbs_certificate"]["extensions"]]
    return len(set(named)) == len(named)


def _reads(load: Callable[[bytes], object], der: bytes) -> bool:
    """Evidence that cannot be read is none."""
    try:
        load(der)
    except ValueError:
        return False
    return True


def _walk(
    leaf: Certificate,
    between: Sequence[Certificate],
    anchors: Sequence[CertTrustAnchor],
    lists: Sequence[CRLContainer],
    responses: Sequence[OCSPContainer],
    moment: datetime,
    rules: CertificateRules,
) -> None:
    issuers = {one.crl_data.issuer.hashable for one in lists}

    def asked(one: Certificate) -> bool:
        return rules.revocation == "required" or any(get_declared_revinfo(one)) or one.issuer.hashable in issuers

    always, never = RevocationCheckingRule.CRL_OR_OCSP_REQUIRED, RevocationCheckingRule.NO_CHECK
    registry = _Registry.build(between)
    context = ValidationContext(
        trust_manager=SimpleTrustManager.build(anchors),
        certificate_registry=registry,
        moment=moment,
        time_tolerance=timedelta(0),
        allow_fetching=False,
        revinfo_policy=CertRevTrustPolicy(RevocationCheckingPolicy(always if asked(leaf) else never, always)),
        revinfo_manager=RevinfoManager(
            registry,
            POEManager(),
            lists,
            responses,
            # An authority about which nobody publishes anything cannot be asked about.
            assertions=[NonRevokedStatusAssertion(one.sha256, moment) for one in between if not asked(one)],
        ),
        algorithm_usage_policy=Algorithms(rules),
        signature_validator=Signatures(rules),
    )
    try:
        _now(find_valid_path(leaf, context.path_builder.async_build_paths_lazy(leaf), context))
    except (errors.PathBuildingError, errors.ValidationError) as error:
        refusal = _refusal(error)
        unknown = _unknown_issuer(leaf, between, anchors) if refusal.code is Code.CERTIFICATE_PATH else None
        raise (refusal.but(detail=f"Its issuer {unknown} is not known here.") if unknown else refusal) from error


def _unknown_issuer(leaf: Certificate, between: Sequence[Certificate], anchors: Sequence[CertTrustAnchor]) -> str | None:
    """The name of the first authority above ``leaf`` that is neither trusted nor known; None where every name leads on."""
    trusted = {one.certificate.subject.hashable for one in anchors}
    by_name = {one.subject.hashable: one for one in between}
    above: Certificate | None = leaf
    for _ in range(MAX_AUTHORITIES + 1):
        if above is None or above.issuer.hashable in trusted:
            return None
        issuer = above.issuer
        above = by_name.get(issuer.hashable)
        if above is None:
            return f'"{visible(issuer.human_friendly)[:200]}"'
    return None


def _may_issue(root: Certificate) -> bool:
    """A trust anchor, too, must be allowed to issue, and without restrictions that we do not know."""
    usages = root.key_usage_value
    return not root.critical_extensions - SUPPORTED_EXTENSIONS and (usages is None or "key_cert_sign" in usages.native)


def _anchor(root: Certificate) -> CertTrustAnchor:
    """An authority whose own dates, path length and name constraints hold, although RFC 5280 asks nothing of trust anchors."""
    qualifiers = derive_quals_from_cert(root)
    parameters = qualifiers.standard_parameters
    if parameters is None:
        return CertTrustAnchor(root, qualifiers)
    # The library takes what a constraint does not mention for forbidden; RFC 5280, 6.1.1, has it allowed.
    permitted = {**default_permitted_subtrees(), **(parameters.initial_permitted_subtrees or {})}
    excluded = {**default_excluded_subtrees(), **(parameters.initial_excluded_subtrees or {})}
    parameters = replace(parameters, initial_permitted_subtrees=permitted, initial_excluded_subtrees=excluded)
    return CertTrustAnchor(root, replace(qualifiers, standard_parameters=parameters))


def _refusal(error: Exception) -> Refusal:
    """The library's verdict in our codes; its sentence is for our administrator."""
    which = "The certificate" if getattr(error, "is_ee_cert", True) else "An authority's certificate in the path"
    facts = {"path": str(error)[:300]}
    match error:
        case errors.RevokedError():
            facts["revoked at"] = error.revocation_dt.isoformat()
            return Refusal(Code.CERTIFICATE_REVOKED, f"{which} was revoked at {error.revocation_dt.isoformat()}.", facts=facts)
        case errors.StaleRevinfoError():
            facts["fresh until"] = error.time_cutoff.isoformat()
            return Refusal(Code.REVOCATION_UNKNOWN, "What is known of revocations is out of date.", facts=facts)
        case errors.InsufficientRevinfoError():
            return Refusal(Code.REVOCATION_UNKNOWN, facts=facts)
        case errors.ExpiredError():
            return Refusal(Code.CERTIFICATE_EXPIRED, f"{which} expired at {error.expired_dt.isoformat()}.", facts=facts)
        case errors.NotYetValidError():
            return Refusal(Code.CERTIFICATE_NOT_YET_VALID, f"{which} is valid from {error.valid_from.isoformat()}.", facts=facts)
        case errors.DisallowedAlgorithmError():
            return Refusal(
                Code.CERTIFICATE_UNSUITABLE, f"{which} is signed with an algorithm or key that is not accepted.", facts=facts
            )
    return Refusal(Code.CERTIFICATE_PATH, facts=facts)


def _now(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that has nothing to wait for, as nothing is fetched: so it runs inside or outside a loop."""
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    work.close()
    raise AssertionError("path validation tried to wait for something")


class _Registry(CertificateRegistry):
    """Finds issuers, a limited number of times."""

    steps = 0

    def find_potential_issuers(self, cert: Certificate, trust_manager: TrustManager) -> Iterator[TrustAnchor | Certificate]:
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise errors.PathBuildingError(f"no path found in {MAX_STEPS} steps")
        found: Iterator[TrustAnchor | Certificate] = super().find_potential_issuers(cert, trust_manager)
        return found

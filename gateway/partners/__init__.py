"""What each partner is: data from ``partners/``, judged whole. The rest of the gateway needs only the names below."""

from gateway.partners.bundle import FORMAT, Bundle, open_bundle, open_law, read_bundle
from gateway.partners.faults import Fault, PartnerFaults
from gateway.partners.load import LoadedPartners, load_all, load_one
from gateway.partners.registry import Registry

__all__ = [
    "FORMAT",
    "Bundle",
    "Fault",
    "LoadedPartners",
    "PartnerFaults",
    "Registry",
    "load_all",
    "load_one",
    "open_bundle",
    "open_law",
    "read_bundle",
]

"""What each partner is: data from ``partners/``, judged whole. The rest of the gateway needs only the names below."""

from gateway.partners.bundle import Bundle, open_bundle, open_law
from gateway.partners.faults import Fault, PartnerFaults
from gateway.partners.load import LoadedPartners, load_all, load_one
from gateway.partners.registry import Registry

__all__ = ["Bundle", "Fault", "LoadedPartners", "PartnerFaults", "Registry", "load_all", "load_one", "open_bundle", "open_law"]

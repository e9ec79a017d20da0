"""The whole conversation with a partner, tried before anything depends on it: what was expected, and what was found."""

from gateway.onboarding.rehearsal.remote import rehearse_against
from gateway.onboarding.rehearsal.results import Exchanged, Point, Rehearsal, Step
from gateway.onboarding.rehearsal.run import rehearse
from gateway.onboarding.rehearsal.session import Venue

__all__ = ["Exchanged", "Point", "Rehearsal", "Step", "Venue", "rehearse", "rehearse_against"]

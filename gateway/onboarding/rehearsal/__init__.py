"""The whole conversation with a partner, tried before anything depends on it: what was expected, and what was found."""

from gateway.onboarding.rehearsal.found import Exchanged, Point, Rehearsal, Step
from gateway.onboarding.rehearsal.outside import rehearse_against
from gateway.onboarding.rehearsal.run import rehearse
from gateway.onboarding.rehearsal.stage import Venue

__all__ = ["Exchanged", "Point", "Rehearsal", "Step", "Venue", "rehearse", "rehearse_against"]

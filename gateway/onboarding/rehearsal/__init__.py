"""The whole conversation with a partner, tried before anything depends on it: what was expected, and what was found."""

from gateway.onboarding.rehearsal.remote import rehearse_against
from gateway.onboarding.rehearsal.results import Exchanged, Observation, Rehearsal, RehearsalStep
from gateway.onboarding.rehearsal.run import rehearse
from gateway.onboarding.rehearsal.session import RehearsalHost

__all__ = ["Exchanged", "Observation", "Rehearsal", "RehearsalHost", "RehearsalStep", "rehearse", "rehearse_against"]

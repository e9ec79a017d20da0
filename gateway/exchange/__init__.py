"""Stories one and two: a partner's message comes in; our news goes out."""

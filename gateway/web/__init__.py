"""HTTP: the partner endpoint, the clearance API, the administrators' API."""

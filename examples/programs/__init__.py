"""Programs that are no networks, one a file: simulation, statistics, finance."""
